import {
  pushBytesAgain,
  pushSameWord,
  pushVarint,
  pushWide,
  pushWordsAgain,
  readVarintAt,
} from './column-buffers.ts'
import { ABSENT, clearRoles, pushAttribute } from './decode-attributes.ts'
import { decodeSpan } from './decode-span.ts'
import {
  aimAt,
  createDecoding,
  type Decoding,
  readName,
  type SharedColumns,
  type TimeWindow,
} from './decoding.ts'
import { readShapeParts } from './lean-keys.ts'
import { RESOURCE_ROLE } from './lean-roles.ts'
import { type CutCounts, noCuts, noRejects, type RejectCounts, type SpanLimits } from './limits.ts'
import { FLAG_CUT, rollBack, type SpanBlock, takeMark } from './native-columns.ts'
import { createSpanKernel } from './span-kernel.ts'
import { numberOf, type TextDictionary, truncateDictionary } from './text-dictionary.ts'
import { closeWire, MalformedError, openWire, readLength, readTag, skipField } from './wire.ts'

export type DecodeOptions = {
  limits: SpanLimits
  /** A request whose rows would take more than about this is refused: a large resource repeated for every span. */
  maxRowBytes: number
  /** What reads most spans; without one the result is the same. */
  createKernel?: typeof createSpanKernel
}

export type DecodeOutcome =
  | { kind: 'decoded'; rows: number; received: number; rejected: RejectCounts; cuts: CutCounts }
  | { kind: 'malformed'; reason: string }
  | { kind: 'too-large' }

export type SpanDecoder = (block: SpanBlock, request: Uint8Array, window: TimeWindow) => DecodeOutcome

class TooLargeError extends Error {}

/** What a row takes beside its texts; a resource and a scope, which two bytes can stand for, count as much. */
const ROW_OVERHEAD_BYTES = 240

// Tags: field number << 3 | wire type.
const REQUEST = { resourceSpans: 0x0a } as const
const RESOURCE_SPANS = { resource: 0x0a, scopeSpans: 0x12 } as const
const RESOURCE = { attribute: 0x0a } as const
const SCOPE_SPANS = { scope: 0x0a, span: 0x12 } as const
const SCOPE = { name: 0x0a, version: 0x12 } as const

/**
 * A decoder of ExportTraceServiceRequest bytes: one pass, straight into the columns of a block, no object a span. What
 * is rejected span by span, or malformed as a whole, leaves no row behind in the block.
 */
export function createSpanDecoder({
  limits,
  maxRowBytes,
  createKernel = createSpanKernel,
}: DecodeOptions): SpanDecoder {
  const decoding = createDecoding(limits)
  decoding.kernel = createKernel(limits)
  return (block, request, window) => {
    const { wire, log, requestMark } = decoding
    aimAt(decoding, block)
    takeMark(block, requestMark)
    const rowsBefore = block.rows
    decoding.window = window
    decoding.rejected = noRejects()
    decoding.received = 0
    decoding.rowBytes = 0
    log.cuts = noCuts()
    openWire(wire, request)
    decoding.kernel?.open()
    try {
      decodeRequest(decoding, request.length, maxRowBytes)
      const { received, rejected } = decoding
      return { kind: 'decoded', rows: block.rows - rowsBefore, received, rejected, cuts: log.cuts }
    } catch (error) {
      rollBack(block, requestMark, forgetMany)
      if (error instanceof MalformedError) return { kind: 'malformed', reason: error.message }
      if (error instanceof TooLargeError) return { kind: 'too-large' }
      throw error
    } finally {
      closeWire(wire)
    }
  }
}

/** So many values of a request that is taken back stay in each dictionary, unused. */
const STRAY_VALUES = 64

/**
 * A few values stay: were they forgotten, all that is known by numbers would have to be learned again, and a stream of small
 * malformed requests would make every good one take several times as long.
 */
function forgetMany(dictionary: TextDictionary, count: number): void {
  if (dictionary.count > count + STRAY_VALUES) truncateDictionary(dictionary, count)
}

function decodeRequest(decoding: Decoding, end: number, maxRowBytes: number): void {
  const { wire } = decoding
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === REQUEST.resourceSpans) {
      const length = readLength(wire, end)
      decodeResourceSpans(decoding, wire.at + length, maxRowBytes)
    } else skipField(wire, tag, end)
  }
}

/** The resource may come behind the spans, and in parts: its fields are read first, wherever they are. */
function decodeResourceSpans(decoding: Decoding, end: number, maxRowBytes: number): void {
  const { wire, log, shared } = decoding
  const from = wire.at
  countBytes(decoding, ROW_OVERHEAD_BYTES, maxRowBytes)
  readResource(decoding, end)
  shared.isCut = log.anyCut
  wire.at = from
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === RESOURCE_SPANS.scopeSpans) {
      const length = readLength(wire, end)
      decodeScopeSpans(decoding, wire.at + length, maxRowBytes)
    } else skipField(wire, tag, end)
  }
}

function readResource(decoding: Decoding, end: number): void {
  const { wire, log, shared, resource } = decoding
  shared.codes.length = 0
  shared.values.length = 0
  resource.count = 0
  clearRoles(resource.roles)
  log.anyCut = false
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag !== RESOURCE_SPANS.resource) {
      skipField(wire, tag, end)
      continue
    }
    const length = readLength(wire, end)
    const resourceEnd = wire.at + length
    while (wire.at < resourceEnd) {
      const inner = readTag(wire, resourceEnd)
      if (inner !== RESOURCE.attribute) {
        skipField(wire, inner, resourceEnd)
        continue
      }
      const size = readLength(wire, resourceEnd)
      pushAttribute(resource, wire, wire.at + size, log)
    }
  }
  shared.serviceCode = codeOfService(decoding, resource.roles.at[RESOURCE_ROLE['service.name']]!)
  readShapeParts(decoding.lean, shared, decoding.block.serviceName.dictionary, resource.roles)
}

/** The service named by the attribute at `at` of the resource's values. */
function codeOfService({ block, shared }: Decoding, at: number): number {
  const { values } = shared
  const { value, next } = at === ABSENT ? { value: 0, next: 0 } : readVarintAt(values, at)
  return numberOf(block.serviceName.dictionary, values.bytes, values.view, next, value)
}

/** The scope may come behind the spans, and in parts: what is its goes into the rows at the end. */
function decodeScopeSpans(decoding: Decoding, end: number, maxRowBytes: number): void {
  const { wire, log, shared, block, kernel } = decoding
  const { scopeName, scopeVersion } = shared
  const { rows } = block
  scopeName.length = 0
  scopeVersion.length = 0
  let isScopeCut = false
  countBytes(decoding, ROW_OVERHEAD_BYTES, maxRowBytes)
  while (wire.at < end) {
    if (kernel !== undefined && wire.bytes[wire.at] === SCOPE_SPANS.span) {
      const { rows: read, bytes } = kernel.readSpans(decoding, end)
      countBytes(decoding, 2 * bytes + read * (shared.values.length + ROW_OVERHEAD_BYTES), maxRowBytes)
      if (wire.at === end) break
    }
    const tag = readTag(wire, end)
    if (tag === SCOPE_SPANS.span) {
      const length = readLength(wire, end)
      // Ids and numbers take up to twice as much as text.
      countBytes(decoding, 2 * length + shared.values.length + ROW_OVERHEAD_BYTES, maxRowBytes)
      decodeSpan(decoding, wire.at + length)
    } else if (tag === SCOPE_SPANS.scope) {
      const length = readLength(wire, end)
      log.anyCut = false
      readScope(decoding, wire.at + length)
      isScopeCut ||= log.anyCut
    } else skipField(wire, tag, end)
  }
  if (block.rows === rows) return
  if (scopeName.length === 0) pushVarint(scopeName, 0)
  if (scopeVersion.length === 0) pushVarint(scopeVersion, 0)
  const count = block.rows - rows
  countBytes(decoding, count * (scopeName.length + scopeVersion.length), maxRowBytes)
  pushShared(block, shared, count)
  if (isScopeCut) for (let row = rows; row < block.rows; row++) block.flags.words[row]! |= FLAG_CUT
}

function countBytes(decoding: Decoding, bytes: number, maxRowBytes: number): void {
  decoding.rowBytes += bytes
  if (decoding.rowBytes > maxRowBytes) throw new TooLargeError()
}

/** What rows of one resource and scope have in common. */
function pushShared(block: SpanBlock, shared: SharedColumns, rows: number): void {
  const { resource, serviceName, scopeName, scopeVersion } = block
  pushSameWord(serviceName.codes, shared.serviceCode, rows)
  pushBytesAgain(scopeName, shared.scopeName, rows)
  pushBytesAgain(scopeVersion, shared.scopeVersion, rows)
  pushBytesAgain(resource.values, shared.values, rows)
  const first = resource.keys.codes.length
  pushWordsAgain(resource.keys.codes, shared.codes, rows)
  for (let row = 1; row <= rows; row++) pushWide(resource.ends, first + row * shared.codes.length, 0)
}

function readScope(decoding: Decoding, end: number): void {
  const { wire, shared } = decoding
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === SCOPE.name) readName(decoding, shared.scopeName, end, 0)
    else if (tag === SCOPE.version) readName(decoding, shared.scopeVersion, end, 0)
    else skipField(wire, tag, end)
  }
}
