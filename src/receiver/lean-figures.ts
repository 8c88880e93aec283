import { isMasked } from '../trace/query-text.ts'
import { samplingWeight } from '../trace/sampling.ts'
import { type ByteBuffer, copyBytes, readVarintAt } from './column-buffers.ts'
import { ABSENT, type FoundRoles } from './decode-attributes.ts'
import type { LeanWork } from './lean-columns.ts'
import { SAMPLING_GROUP, SPAN_ROLE } from './lean-roles.ts'
import { methodAt, pushByte, queryAt, queryFacts, stringOf, urlAt } from './lean-values.ts'
import { murmurHash3 } from './murmur.ts'
import type { SpanBlock } from './native-columns.ts'

const MOST = 2 ** 32 - 1
/** Bytes. */
const LONGEST_MASK = 32
const UINT64_END = 2n ** 64n

/** Equal where a query with its values, or an HTTP method of a URL, asks for the very same; 0: not known. */
export function valueHash(work: LeanWork, block: SpanBlock, roles: FoundRoles): number {
  const { values } = block.attributes
  const query = queryAt(values, roles.at)
  if (query !== ABSENT) return queryHash(work, block, roles, query)
  const url = urlAt(values, roles.at)
  if (url === ABSENT || methodAt(values, roles.at) === ABSENT) return 0
  const { value, next } = readVarintAt(values, url)
  return (murmurHash3(values.view, next, value) | 1) >>> 0
}

function queryHash(
  { key, queries }: LeanWork,
  block: SpanBlock,
  { at, parameters }: FoundRoles,
  query: number,
): number {
  const { values, keys } = block.attributes
  if (parameters.length === 0 && !queryFacts(queries, values, at, query).isWhole) return 0
  const text = readVarintAt(values, query)
  key.length = 0
  copyBytes(values.bytes, values.view, text.next, text.value, key)
  pushByte(key, 0x0a)
  const { dictionary } = keys
  for (let i = 0; i < parameters.length; i += 2) {
    const code = parameters[i]!
    const { bytes, view } = dictionary.values
    copyBytes(bytes, view, dictionary.start[code]!, dictionary.size[code]!, key)
    pushByte(key, 0x3d)
    const value = readVarintAt(values, parameters[i + 1]!)
    if (value.value <= LONGEST_MASK && isMasked(stringOf(values, parameters[i + 1]!))) return 0
    copyBytes(values.bytes, values.view, value.next, value.value, key)
    pushByte(key, 0x0a)
  }
  return (murmurHash3(key.view, 0, key.length) | 1) >>> 0
}

/** The largest of the sizes that are said, bytes. */
export function bodyBytes(values: ByteBuffer, at: Int32Array): number {
  return Math.max(
    wholeNumber(values, at[SPAN_ROLE['http.response.body.size']]!),
    wholeNumber(values, at[SPAN_ROLE['http.request.body.size']]!),
    wholeNumber(values, at[SPAN_ROLE['http.response_content_length']]!),
    wholeNumber(values, at[SPAN_ROLE['http.request_content_length']]!),
    wholeNumber(values, at[SPAN_ROLE['messaging.message.body.size']]!),
    wholeNumber(values, at[SPAN_ROLE['messaging.message.payload_size_bytes']]!),
    wholeNumber(values, at[SPAN_ROLE['messaging.message_payload_size_bytes']]!),
  )
}

/** Digits only, at most what fits; 0: something else, or more than a UInt64. */
export function wholeNumber(values: ByteBuffer, at: number): number {
  if (at === ABSENT) return 0
  const { value: length, next } = readVarintAt(values, at)
  let number = 0
  for (let i = next; i < next + length; i++) {
    const digit = values.bytes[i]! - 0x30
    if (digit < 0 || digit > 9) return 0
    number = number * 10 + digit
  }
  if (number < 2 ** 63) return Math.min(MOST, number)
  return BigInt(stringOf(values, at)) < UINT64_END ? MOST : 0
}

/** Requests the span stands for (src/trace/sampling.ts); `traceStateAt`: where its trace state is. */
export function weightOf(block: SpanBlock, { at, groups }: FoundRoles, traceStateAt: number): number {
  if (block.traceState.bytes[traceStateAt] === 0 && (groups & SAMPLING_GROUP) === 0) return 0
  const { values } = block.attributes
  return samplingWeight(stringOf(block.traceState, traceStateAt), {
    'sampling.probability': stringOf(values, at[SPAN_ROLE['sampling.probability']]!),
    SampleRate: stringOf(values, at[SPAN_ROLE.SampleRate]!),
    '_MS.sampleRate': stringOf(values, at[SPAN_ROLE['_MS.sampleRate']]!),
    'sampler.type': stringOf(values, at[SPAN_ROLE['sampler.type']]!),
    'sampler.param': stringOf(values, at[SPAN_ROLE['sampler.param']]!),
  })
}
