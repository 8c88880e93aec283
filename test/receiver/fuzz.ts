import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import fc from 'fast-check'
import { expect } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { protobufOf } from '../../src/receiver/json-request.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { blockCapacity, clearBlock, createBlock } from '../../src/receiver/native-columns.ts'
import { MalformedError } from '../../src/receiver/wire.ts'
import { readNative } from './native-reader.ts'
import { message, varint } from './proto-writer.ts'
import { anySpan, NOW_NS, readableOf, rowOf, sampleSpan } from './span-samples.ts'

/** Small, seeded, and fast enough that the decoder is what takes the time (xorshift). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

type Random = (below: number) => number

/** `expect` alone would take longer than what is tested. */
function same<T>(actual: T, expected: T): void {
  if (actual !== expected) expect(actual).toBe(expected)
}

/** Tags of every message, and some of none. */
const TAGS = [0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x30, 0x39, 0x41, 0x4a, 0x5a, 0x6a, 0x7a, 0x09, 0x10, 0x18, 0x21]
const LENGTHS = [0, 1, 2, 16, 127, 128, 0x7fffffff, 0x80000000, 0xffffffff, 2 ** 40]

const MUTATIONS: ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => {
    bytes[random(bytes.length)]! ^= 1 << random(8)
    return bytes
  },
  (bytes, random) => {
    for (let i = random(20); i >= 0; i--) bytes[random(bytes.length)] = random(256)
    return bytes
  },
  (bytes, random) => {
    bytes.fill(0xff, random(bytes.length))
    return bytes
  },
  // A stretch left out, and one twice: lengths that fit nothing.
  (bytes, random) =>
    Buffer.concat([bytes.subarray(0, random(bytes.length)), bytes.subarray(random(bytes.length))]),
  (bytes, random) => {
    const at = random(bytes.length)
    const length = Buffer.from(varint(LENGTHS[random(LENGTHS.length)]!))
    return Buffer.concat([bytes.subarray(0, at), length, bytes.subarray(at)])
  },
  (_, random) => Buffer.from(Array.from({ length: random(200) }, () => random(256))),
  // Well-formed as far as tags go, at random depths.
  (_, random) => {
    let inner: Uint8Array = Buffer.from(Array.from({ length: random(40) }, () => TAGS[random(TAGS.length)]!))
    for (let depth = random(40); depth > 0; depth--) inner = message(TAGS[random(TAGS.length)]! >>> 3, inner)
    return Buffer.from(inner)
  },
]

/**
 * Feeds `inputs` broken requests to a decoder, good ones in between. Each gives an outcome, a malformed one leaves the
 * block as it was, what is accepted can be read back, and memory does not grow.
 */
export function fuzzDecoder(inputs: number, seed: number): { malformed: number; decoded: number } {
  const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e8 })
  const window = { earliestNs: 1, latestNs: 2 ** 64 }
  const random = randomFrom(seed)
  const samples = fc
    .sample(fc.array(anySpan, { minLength: 1, maxLength: 6 }), { numRuns: 200, seed })
    .map((spans) => Buffer.from(ProtobufTraceSerializer.serializeRequest(readableOf(spans))!))
  const good = sampleSpan({ startNs: NOW_NS })
  const goodRequest = ProtobufTraceSerializer.serializeRequest(readableOf([good]))!
  const block = createBlock()
  let capacity = 0
  const counts = { malformed: 0, decoded: 0 }
  for (let i = 0; i < inputs; i++) {
    const sample = Buffer.from(samples[random(samples.length)]!)
    const input = MUTATIONS[random(MUTATIONS.length)]!(sample, random)
    const rows = block.rows
    const outcome = decode(block, input, window)
    if (outcome.kind === 'decoded') {
      counts.decoded++
      same(block.rows, rows + outcome.rows)
    } else {
      same(outcome.kind, 'malformed')
      counts.malformed++
      same(block.rows, rows)
    }
    if (i % 100 === 99) {
      expect(decode(block, goodRequest, window).kind).toBe('decoded')
      const read = readNative(encodeBlock(block))
      expect(read).toHaveLength(block.rows)
      expect(read.at(-1)).toEqual(rowOf(good))
      clearBlock(block)
    }
    if (i === inputs >> 1) capacity = blockCapacity(block)
  }
  // Reused, not grown: as much after the second half as after the first, give or take one doubling.
  expect(blockCapacity(block)).toBeLessThanOrEqual(2 * capacity)
  return counts
}

/** What may stand anywhere in JSON. */
const JSON_VALUES = [
  ...['null', '""', '[]', '{}', '-1', '2', '1e400', '99999999999999999999', '"7"', 'true', '"\\ud800"'],
  ...['[[[[[[[[]]]]]]]]', '{"arrayValue":{"values":[{"kvlistValue":{"values":[{"value":null}]}}]}}'],
]
/** What may not. */
const NO_JSON = ['', '"\\', '}', '\u0000', '[[[[', ':', '"']

/** Puts another value in some place, as deep as chance has it. */
function replaceWithin(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random(12) === 0) {
    return JSON.parse(JSON_VALUES[random(JSON_VALUES.length)]!)
  }
  const keys = Object.keys(value)
  const key = keys[random(keys.length)]
  if (key === undefined) return value
  const copy = Array.isArray(value) ? [...value] : { ...value }
  Object.assign(copy, { [key]: replaceWithin((value as Record<string, unknown>)[key], random) })
  return copy
}

/** The same for OTLP/JSON: it is malformed, or becomes a request that the decoder takes. */
export function fuzzJson(inputs: number, seed: number): { malformed: number; decoded: number } {
  const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e8 })
  const random = randomFrom(seed)
  const samples = fc
    .sample(fc.array(anySpan, { minLength: 1, maxLength: 3 }), { numRuns: 50, seed })
    .map((spans) => Buffer.from(JsonTraceSerializer.serializeRequest(readableOf(spans))!).toString())
  const block = createBlock()
  const counts = { malformed: 0, decoded: 0 }
  for (let i = 0; i < inputs; i++) {
    const sample = samples[random(samples.length)]!
    const at = random(sample.length)
    const input =
      random(2) === 0
        ? JSON.stringify(replaceWithin(JSON.parse(sample), random))
        : sample.slice(0, at) + NO_JSON[random(NO_JSON.length)]! + sample.slice(at + random(5))
    try {
      const { kind } = decode(block, protobufOf(input), { earliestNs: 1, latestNs: 2 ** 64 })
      counts[kind === 'decoded' ? 'decoded' : 'malformed']++
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedError)
      counts.malformed++
    }
    if (i % 100 === 99) clearBlock(block)
  }
  return counts
}
