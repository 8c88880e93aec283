import { type ByteBuffer, createBytes, createWords, type WordList } from './column-buffers.ts'
import { type AttributeTarget, type CutLog, createRoles } from './decode-attributes.ts'
import { createLeanWork, type LeanWork } from './lean-columns.ts'
import { noCuts, noRejects, type RejectCounts, type SpanLimits } from './limits.ts'
import { type BlockMark, createBlock, createMark, type MapColumn, type SpanBlock } from './native-columns.ts'
import type { SpanKernel } from './span-kernel.ts'
import { cutLength, pushText, viewOf } from './text.ts'
import { numberOf, type TextDictionary } from './text-dictionary.ts'
import { createWire, readLength, readVarint, type Wire } from './wire.ts'

/** Starts outside are rejected. Epoch ns; a double's 256 ns are exact enough. */
export type TimeWindow = { earliestNs: number; latestNs: number }

/** A request being decoded: where it is read, where it goes, what has been noticed. Used for request after request. */
export type Decoding = {
  wire: Wire
  block: SpanBlock
  window: TimeWindow
  limits: SpanLimits
  log: CutLog
  received: number
  rejected: RejectCounts
  /** About what the rows take so far. */
  rowBytes: number
  requestMark: BlockMark
  rowMark: BlockMark
  /** Attributes of the resource go to `shared`, the others straight into the block. */
  resource: AttributeTarget
  spanAttributes: AttributeTarget
  eventAttributes: AttributeTarget
  linkAttributes: AttributeTarget
  shared: SharedColumns
  lean: LeanWork
  kernel: SpanKernel | undefined
}

/** What all spans of a resource and a scope have in common: worked out once, copied into each row. */
export type SharedColumns = {
  codes: WordList
  values: ByteBuffer
  scopeName: ByteBuffer
  scopeVersion: ByteBuffer
  serviceCode: number
  isCut: boolean
  /** Of a shape's key: the service; what comes behind the name up to the instance, a separator before each. */
  shapeService: ByteBuffer
  shapeResource: ByteBuffer
  /** Of both: equal where they are. */
  resourceNumber: number
}

export function createDecoding(limits: SpanLimits): Decoding {
  const block = createBlock()
  const shared: SharedColumns = {
    codes: createWords(),
    values: createBytes(),
    scopeName: createBytes(),
    scopeVersion: createBytes(),
    serviceCode: 0,
    isCut: false,
    shapeService: createBytes(),
    shapeResource: createBytes(),
    resourceNumber: 0,
  }
  const target = ({ keys, values }: MapColumn): AttributeTarget => ({
    dictionary: keys.dictionary,
    codes: keys.codes,
    values,
    count: 0,
    guesses: new Uint32Array(limits.attributes),
    roles: createRoles(),
    errorTexts: [],
  })
  return {
    wire: createWire(),
    block,
    window: { earliestNs: 0, latestNs: 0 },
    limits,
    log: { limits, cuts: noCuts(), anyCut: false },
    received: 0,
    rejected: noRejects(),
    rowBytes: 0,
    requestMark: createMark(block),
    rowMark: createMark(block.early),
    resource: { ...target(block.resource), codes: shared.codes, values: shared.values },
    spanAttributes: target(block.attributes),
    eventAttributes: target(block.eventAttributes),
    linkAttributes: target(block.linkAttributes),
    shared,
    lean: createLeanWork(),
    kernel: undefined,
  }
}

/** Sends what is decoded into another block from now on. */
export function aimAt(decoding: Decoding, block: SpanBlock): void {
  if (decoding.block === block) return
  decoding.block = block
  decoding.resource.dictionary = block.resource.keys.dictionary
  aim(decoding.spanAttributes, block.attributes)
  aim(decoding.eventAttributes, block.eventAttributes)
  aim(decoding.linkAttributes, block.linkAttributes)
}

function aim(target: AttributeTarget, { keys, values }: MapColumn): void {
  target.dictionary = keys.dictionary
  target.codes = keys.codes
  target.values = values
}

/** Reads a string into a text column at `from`: where it comes again, the last counts. */
export function readName(decoding: Decoding, column: ByteBuffer, end: number, from: number): void {
  const { wire } = decoding
  const length = readLength(wire, end)
  const { at } = wire
  wire.at = at + length
  column.length = from
  pushText(column, wire.bytes, wire.view, at, nameLength(decoding, at, length))
}

/** The code of a name that was passed over. */
export function codeName(decoding: Decoding, dictionary: TextDictionary, at: number, length: number): number {
  const { bytes, view } = decoding.wire
  return numberOf(dictionary, bytes, view, at, nameLength(decoding, at, length))
}

export function codeText(dictionary: TextDictionary, text: string): number {
  const bytes = new Uint8Array(Buffer.from(text))
  return numberOf(dictionary, bytes, viewOf(bytes), 0, bytes.length)
}

/** A name that was passed over. */
export function nameText(decoding: Decoding, at: number, length: number): string {
  const { bytes } = decoding.wire
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, nameLength(decoding, at, length)).toString()
}

function nameLength({ limits, log, wire }: Decoding, at: number, length: number): number {
  if (length <= limits.nameBytes) return length
  log.cuts.names++
  log.anyCut = true
  return cutLength(wire.bytes, at, length, limits.nameBytes)
}

/** What is beyond the known values becomes `unknown`. */
export function readEnum(wire: Wire, end: number, unknown: number): number {
  readVarint(wire, end)
  return wire.high === 0 && wire.low >= 0 && wire.low < unknown ? wire.low : unknown
}
