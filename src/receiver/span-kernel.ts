import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { doubleText } from './any-value.ts'
import {
  type ByteBuffer,
  copyBytes,
  pushSameWide,
  readVarintAt,
  reserveWords,
  type WordList,
} from './column-buffers.ts'
import { clearRoles, noteRole } from './decode-attributes.ts'
import type { Decoding } from './decoding.ts'
import * as at from './kernel/layout.ts'
import { pushLean } from './lean-columns.ts'
import { flagsOfKey } from './lean-roles.ts'
import type { SpanLimits } from './limits.ts'
import type { SpanBlock } from './native-columns.ts'
import type { Wire } from './wire.ts'

/** What is used of it: of Node's types it is no part. */
type WebAssembly = {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: Record<string, Record<string, unknown>>) => { exports: unknown }
}

type Exports = {
  memory: { buffer: ArrayBuffer }
  configure(seed: bigint, attributes: number, nameBytes: number, keyBytes: number, valueBytes: number): void
  clear(): void
  addKey(size: number, code: number, flags: number): void
  addName(size: number, code: number): void
  learn(pending: number, shape: number, detail: number, valueHash: number, weight: number): void
  run(
    at: number,
    end: number,
    attributesBefore: number,
    resource: number,
    flags: number,
    earliest: number,
    latest: number,
  ): number
}

/**
 * Reads most spans with WebAssembly (kernel/kernel.ts): those whose keys and name are known already, with values that
 * are texts, numbers and booleans. What it does not know it leaves to decode-span.ts, with the same result.
 */
export type SpanKernel = {
  /** Of the request that is read from now on nothing has been copied yet. */
  open(): void
  /**
   * Reads spans from the one at `wire.at` on, up to one that is not for it (or what is no span). Returns how many, and what
   * their bytes come to.
   */
  readSpans(decoding: Decoding, end: number): { rows: number; bytes: number }
}

let code: Uint8Array | undefined
let compiled: object | undefined

/** undefined: this processor or this Node cannot run it. */
export function createSpanKernel(limits: SpanLimits): SpanKernel | undefined {
  let memory: Uint8Array
  let view: DataView
  let words: Uint32Array
  let kernel: Exports
  // Outside of what is caught: a file that is missing is no processor's fault.
  code ??= readFileSync(new URL('./kernel/kernel.wasm', import.meta.url))
  try {
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssembly }).WebAssembly
    compiled ??= new Module(code)
    const double = (value: number, to: number) => {
      const text = doubleText(value)
      for (let i = 0; i < text.length; i++) memory[to + i] = text.charCodeAt(i)
      return text.length
    }
    kernel = new Instance(compiled, { text: { double } }).exports as Exports
    memory = new Uint8Array(kernel.memory.buffer)
    view = new DataView(kernel.memory.buffer)
    words = new Uint32Array(kernel.memory.buffer)
  } catch {
    return undefined
  }
  kernel.configure(
    randomBytes(8).readBigUInt64LE(),
    limits.attributes,
    limits.nameBytes,
    limits.keyBytes,
    Math.min(limits.valueBytes, at.MAX_INPUT),
  )

  // What is in the kernel's tables, and of which dictionaries.
  let generations: number[] = []
  let keysKnown = 0
  let namesKnown = 0
  /** What is at INPUT: bytes `from` up to `to` of the request. */
  let from = 0
  let to = 0
  /** After spans that were not for it some are not even tried. */
  let pause = 0
  let toPause = 0

  return {
    open() {
      from = 0
      to = 0
    },
    readSpans(decoding, end) {
      const { wire, block, shared, window } = decoding
      let rows = 0
      let bytes = 0
      if (pause > 0) {
        pause--
        return NONE
      }
      if (isLast(wire, end)) return NONE
      learnTexts(decoding)
      for (;;) {
        const begun = wire.at
        if (begun < from || begun >= to) load(wire.bytes, begun, end)
        const until = Math.min(end, to)
        const stopped = kernel.run(
          at.INPUT + begun - from,
          at.INPUT + until - from,
          block.attributes.keys.codes.length,
          shared.resourceNumber,
          shared.isCut ? 2 : 0,
          window.earliestNs,
          window.latestNs,
        )
        wire.at = from + stopped - at.INPUT
        const read = words[HEADER + at.ROWS]!
        if (read > 0) takeRows(decoding, read)
        rows += read
        bytes += words[HEADER + at.SPAN_BYTES]!
        if (words[HEADER + at.HAS_BAILED] === 1) {
          toPause = rows >= WORTH_IT ? 0 : Math.min(MAX_PAUSE, 2 * toPause + 1)
          pause = toPause
          break
        }
        if (wire.at >= end || wire.bytes[wire.at] !== SPAN) break
        if (wire.at === begun) {
          // Nothing that fits: there is more of it.
          if (begun === from || until === end) break
          to = from
        }
      }
      return { rows, bytes }
    },
  }

  function load(bytes: Uint8Array, begun: number, end: number): void {
    from = begun
    to = Math.min(end, begun + at.MAX_INPUT)
    memory.set(bytes.subarray(from, to), at.INPUT)
  }

  /** Keys and names that have been numbered since. */
  function learnTexts({ block, lean, limits }: Decoding): void {
    const keys = block.attributes.keys.dictionary
    const names = block.spanName.dictionary
    const dictionaries = [keys, names, block.shape.dictionary, block.detail.dictionary, lean.resources]
    if (dictionaries.some(({ generation }, i) => generation !== generations[i])) {
      kernel.clear()
      generations = dictionaries.map(({ generation }) => generation)
      keysKnown = 0
      namesKnown = 0
    }
    const toKey = Math.min(keys.count, at.MAX_KEYS, keysKnown + MAX_LEARNED)
    for (; keysKnown < toKey; keysKnown++) {
      const size = keys.size[keysKnown]!
      if (size > at.MAX_STAGING) continue
      const start = keys.start[keysKnown]!
      const key = keys.values.bytes.subarray(start, start + size)
      memory.set(key, at.STAGING)
      const mayHoldValues = !limits.keepQueryValues && Buffer.from(key).toString('latin1').startsWith('db.')
      kernel.addKey(size, keysKnown, mayHoldValues ? at.ACTION_BAIL | 1 : flagsOfKey(keys.tag[keysKnown]!))
    }
    const toName = Math.min(names.count, at.MAX_NAMES, namesKnown + MAX_LEARNED)
    for (; namesKnown < toName; namesKnown++) {
      const size = names.size[namesKnown]!
      if (size > at.MAX_STAGING) continue
      const start = names.start[namesKnown]!
      memory.set(names.values.bytes.subarray(start, start + size), at.STAGING)
      kernel.addName(size, namesKnown)
    }
  }

  /** Appends the rows that the kernel has read to the block's columns. */
  function takeRows(decoding: Decoding, rows: number): void {
    const { block } = decoding
    const { attributes } = block
    const firstCode = attributes.keys.codes.length
    const firstValue = attributes.values.length
    const firstState = block.traceState.length
    takeBytes(block.traceId, at.TRACE_ID, 33 * rows)
    takeBytes(block.spanId, at.SPAN_ID, 17 * rows)
    takeBytes(block.parentSpanId, at.PARENT_ID, words[HEADER + at.PARENTS_BYTES]!)
    takeBytes(block.statusMessage, at.MESSAGES, words[HEADER + at.MESSAGES_BYTES]!)
    takeBytes(attributes.values, at.ATTRIBUTE_VALUES, words[HEADER + at.VALUES_BYTES]!)
    takeWords(attributes.keys.codes, at.ATTRIBUTE_CODES, words[HEADER + at.CODES]!)
    takeWords(attributes.ends, at.ATTRIBUTE_ENDS, 2 * rows)
    takeWords(block.traceHigh, at.TRACE_HIGH, 2 * rows)
    takeWords(block.traceLow, at.TRACE_LOW, 2 * rows)
    takeWords(block.spanNumber, at.SPAN_NUMBER, 2 * rows)
    takeWords(block.parentNumber, at.PARENT_NUMBER, 2 * rows)
    takeWords(block.timestamp, at.TIMESTAMP, 2 * rows)
    takeWords(block.duration, at.DURATION, 2 * rows)
    takeWords(block.endBeforeStart, at.END_BEFORE_START, 2 * rows)
    takeWords(block.spanName.codes, at.SPAN_NAME, rows)
    takeWords(block.spanKind.codes, at.SPAN_KIND, rows)
    takeWords(block.statusCode.codes, at.STATUS_CODE, rows)
    takeWords(block.flags, at.FLAGS, rows)
    takeBytes(block.traceState, at.TRACE_STATES, words[HEADER + at.TRACE_STATES_BYTES]!)
    pushSameWide(block.eventEnds, block.eventName.codes.length, rows)
    pushSameWide(block.linkEnds, block.linkAttributes.ends.length / 2, rows)

    let done = 0
    const pending = words[HEADER + at.PENDING]!
    for (let i = 0; i < pending; i++) {
      const entry = (at.PENDING_ENTRIES + i * at.PENDING_BYTES) >> 2
      const row = words[entry]!
      takeLeans(block, done, row)
      done = row + 1
      noteRoles(decoding, firstCode + words[entry + 1]!, firstValue + words[entry + 2]!, words[entry + 3]!)
      const kind = words[(at.SPAN_KIND >> 2) + row]!
      const name = words[(at.SPAN_NAME >> 2) + row]!
      const { lean, shared, spanAttributes } = decoding
      pushLean(lean, block, shared, spanAttributes.roles, kind, name, firstState + words[entry + 6]!)
      if (words[entry + 4] === 1) {
        kernel.learn(
          i,
          last(block.shape.codes),
          last(block.detail.codes),
          last(block.valueHash),
          last(block.weight),
        )
      }
    }
    takeLeans(block, done, rows)
    block.rows += rows
    decoding.received += rows
  }

  /** The roles of a row's attributes, from its first code and where its first value begins. */
  function noteRoles(
    { block, spanAttributes: { roles } }: Decoding,
    code: number,
    value: number,
    count: number,
  ): void {
    const { keys, values } = block.attributes
    clearRoles(roles)
    for (let i = 0; i < count; i++) {
      const key = keys.codes.words[code + i]!
      const tag = keys.dictionary.tag[key]!
      if (tag !== 0) noteRole(roles, tag, key, value, values)
      const text = readVarintAt(values, value)
      value = text.next + text.value
    }
  }

  function takeLeans(block: SpanBlock, row: number, end: number): void {
    if (row === end) return
    const count = end - row
    takeWords(block.shape.codes, at.SHAPE + 4 * row, count)
    takeWords(block.detail.codes, at.DETAIL + 4 * row, count)
    takeWords(block.bodyBytes, at.BODY_BYTES + 4 * row, count)
    takeWords(block.returnedRows, at.RETURNED_ROWS + 4 * row, count)
    takeWords(block.valueHash, at.VALUE_HASH + 4 * row, count)
    takeWords(block.weight, at.WEIGHT + 4 * row, count)
  }

  function takeBytes(column: ByteBuffer, place: number, count: number): void {
    copyBytes(memory, view, place, count, column)
  }

  function takeWords(column: WordList, place: number, count: number): void {
    reserveWords(column, count)
    const { words: to, length } = column
    const from = place >> 2
    if (count > BULK_WORDS) to.set(words.subarray(from, from + count), length)
    else for (let i = 0; i < count; i++) to[length + i] = words[from + i]!
    column.length = length + count
  }
}

const HEADER = at.HEADER >> 2
/** Tag of a span in its scope. */
const SPAN = 0x12
/** No more keys and names than this at a time: after a request that is taken back all of a block's are to be learned again. */
const MAX_LEARNED = 128
/** So many spans in a row are worth the trouble. */
const WORTH_IT = 2
const MAX_PAUSE = 63
/** Under this a loop beats the call into the runtime that a bulk copy is. */
const BULK_WORDS = 32

const NONE = { rows: 0, bytes: 0 }

/** Whether no other follows the span at `wire.at`: for one the way into the kernel and out of it is too long. */
function isLast({ bytes, at }: Wire, end: number): boolean {
  const first = bytes[at + 1]!
  const second = bytes[at + 2]!
  const size = first < 0x80 ? first + 2 : second < 0x80 ? (first & 0x7f) + (second << 7) + 3 : 0
  return size !== 0 && at + size >= end
}

function last({ words, length }: WordList): number {
  return words[length - 1]!
}
