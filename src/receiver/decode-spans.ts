import {
  appendAll,
  createBytes,
  createWords,
  pushVarint,
  pushWide,
  pushWord,
  pushWords,
} from './column-buffers.ts'
import { type AttributeTarget, type CutLog, pushAttribute } from './decode-attributes.ts'
import {
  type CutCounts,
  noCuts,
  noRejects,
  type RejectCounts,
  type RejectReason,
  type SpanLimits,
} from './limits.ts'
import {
  createMark,
  FLAG_CUT,
  FLAG_NO_START,
  KIND_NAMES,
  type MapColumn,
  rollBack,
  type SpanBlock,
  STATUS_NAMES,
  takeMark,
} from './native-columns.ts'
import { cutLength, pushHex, pushText } from './text.ts'
import { numberOf, type TextDictionary } from './text-dictionary.ts'
import {
  closeWire,
  createWire,
  MalformedError,
  openWire,
  readFixed64,
  readLength,
  readTag,
  readVarint,
  skipField,
} from './wire.ts'

export type DecodeOptions = {
  limits: SpanLimits
  /** A request whose rows would take more than about this is refused: a large resource repeated for every span. */
  maxRowBytes: number
}

/** Starts outside are rejected. Epoch ns; a double's 256 ns are exact enough. */
export type TimeWindow = { earliestNs: number; latestNs: number }

export type DecodeOutcome =
  | { kind: 'decoded'; rows: number; received: number; rejected: RejectCounts; cuts: CutCounts }
  | { kind: 'malformed'; reason: string }
  | { kind: 'too-large' }

export type SpanDecoder = (block: SpanBlock, request: Uint8Array, window: TimeWindow) => DecodeOutcome

class TooLargeError extends Error {}

/** What a row takes beside its texts. */
const ROW_OVERHEAD_BYTES = 160
const TWO_32 = 0x1_0000_0000
const SERVICE_NAME = Buffer.from('service.name')
const NO_BYTES = -1

// Tags: field number << 3 | wire type.
const REQUEST_RESOURCE_SPANS = 0x0a
const RESOURCE_SPANS = { resource: 0x0a, scopeSpans: 0x12 } as const
const RESOURCE_ATTRIBUTES = 0x0a
const SCOPE_SPANS = { scope: 0x0a, span: 0x12 } as const
const SCOPE = { name: 0x0a, version: 0x12 } as const
const SPAN = {
  traceId: 0x0a,
  spanId: 0x12,
  traceState: 0x1a,
  parentSpanId: 0x22,
  name: 0x2a,
  kind: 0x30,
  start: 0x39,
  end: 0x41,
  attribute: 0x4a,
  event: 0x5a,
  link: 0x6a,
  status: 0x7a,
} as const
const EVENT = { time: 0x09, name: 0x12, attribute: 0x1a } as const
const LINK = { traceId: 0x0a, spanId: 0x12, traceState: 0x1a, attribute: 0x22 } as const
const STATUS = { message: 0x12, code: 0x18 } as const

/**
 * A decoder of ExportTraceServiceRequest bytes: one pass, straight into the columns of a block, no object a span. What
 * is rejected span by span, or malformed as a whole, leaves nothing behind in the block.
 */
export function createSpanDecoder({ limits, maxRowBytes }: DecodeOptions): SpanDecoder {
  const wire = createWire()
  const log: CutLog = { limits, cuts: noCuts(), anyCut: false }
  let rejected = noRejects()
  let received = 0
  let rowBytes = 0
  let block: SpanBlock
  let window: TimeWindow

  // What all spans of a resource, of a scope, share is worked out once and copied into each row.
  const resourceCodes = createWords()
  const resourceValues = createBytes()
  const scopeName = createBytes()
  const scopeVersion = createBytes()
  let serviceCode = 0
  let sharedCut = false

  const guesses = () => new Uint32Array(limits.attributes)
  const resourceTarget = { codes: resourceCodes, values: resourceValues, count: 0, guesses: guesses() }
  let resource: AttributeTarget
  let spanAttributes: AttributeTarget
  let eventAttributes: AttributeTarget
  let linkAttributes: AttributeTarget

  let requestMark: ReturnType<typeof createMark> | undefined
  let rowMark: ReturnType<typeof createMark>
  const targets = new WeakMap<
    SpanBlock,
    [AttributeTarget, AttributeTarget, AttributeTarget, AttributeTarget]
  >()

  return (into, request, between) => {
    block = into
    window = between
    requestMark ??= createMark(block)
    rowMark ??= createMark(block)
    aim()
    takeMark(block, requestMark)
    const rowsBefore = block.rows
    log.cuts = noCuts()
    rejected = noRejects()
    received = 0
    rowBytes = 0
    openWire(wire, request)
    try {
      decodeRequest(request.length)
      return { kind: 'decoded', rows: block.rows - rowsBefore, received, rejected, cuts: log.cuts }
    } catch (error) {
      rollBack(block, requestMark)
      if (error instanceof MalformedError) return { kind: 'malformed', reason: error.message }
      if (error instanceof TooLargeError) return { kind: 'too-large' }
      throw error
    } finally {
      closeWire(wire)
    }
  }

  function aim(): void {
    let of = targets.get(block)
    if (of === undefined) {
      const target = ({ keys, values }: MapColumn): AttributeTarget => ({
        dictionary: keys.dictionary,
        codes: keys.codes,
        values,
        count: 0,
        guesses: guesses(),
      })
      of = [
        { dictionary: block.resource.keys.dictionary, ...resourceTarget },
        target(block.attributes),
        target(block.eventAttributes),
        target(block.linkAttributes),
      ]
      targets.set(block, of)
    }
    ;[resource, spanAttributes, eventAttributes, linkAttributes] = of
  }

  function decodeRequest(end: number): void {
    while (wire.at < end) {
      const tag = readTag(wire, end)
      if (tag === REQUEST_RESOURCE_SPANS) {
        const length = readLength(wire, end)
        decodeResourceSpans(wire.at + length)
      } else skipField(wire, tag, end)
    }
  }

  function decodeResourceSpans(end: number): void {
    const from = wire.at
    resourceCodes.length = 0
    resourceValues.length = 0
    resource.count = 0
    log.anyCut = false
    let serviceAt = NO_BYTES
    // The resource may come behind the spans, and in parts.
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
        if (inner !== RESOURCE_ATTRIBUTES) {
          skipField(wire, inner, resourceEnd)
          continue
        }
        const size = readLength(wire, resourceEnd)
        const valueAt = resourceValues.length
        const { count } = resource
        pushAttribute(resource, wire, wire.at + size, log)
        const isNew = resource.count > count
        if (isNew && serviceAt === NO_BYTES && isServiceName(resource)) serviceAt = valueAt
      }
    }
    const resourceCut = log.anyCut
    serviceCode = serviceAt === NO_BYTES ? emptyCode() : serviceCodeOf(serviceAt)

    wire.at = from
    while (wire.at < end) {
      const tag = readTag(wire, end)
      if (tag === RESOURCE_SPANS.scopeSpans) {
        const length = readLength(wire, end)
        log.anyCut = false
        sharedCut = resourceCut
        decodeScopeSpans(wire.at + length)
      } else skipField(wire, tag, end)
    }
  }

  function isServiceName({ dictionary, codes }: AttributeTarget): boolean {
    const code = codes.words[codes.length - 1]!
    if (dictionary.size[code] !== SERVICE_NAME.length) return false
    const at = dictionary.start[code]!
    return SERVICE_NAME.equals(dictionary.values.bytes.subarray(at, at + SERVICE_NAME.length))
  }

  function emptyCode(): number {
    return numberOf(block.serviceName.dictionary, SERVICE_NAME, resourceValues.view, 0, 0)
  }

  function serviceCodeOf(at: number): number {
    const { bytes, view } = resourceValues
    let length = 0
    let unit = 1
    for (; bytes[at]! >= 0x80; at++) {
      length += (bytes[at]! & 0x7f) * unit
      unit *= 0x80
    }
    length += bytes[at++]! * unit
    return numberOf(block.serviceName.dictionary, bytes, view, at, length)
  }

  function decodeScopeSpans(end: number): void {
    const from = wire.at
    scopeName.length = 0
    scopeVersion.length = 0
    while (wire.at < end) {
      const tag = readTag(wire, end)
      if (tag !== SCOPE_SPANS.scope) {
        skipField(wire, tag, end)
        continue
      }
      const length = readLength(wire, end)
      const scopeEnd = wire.at + length
      while (wire.at < scopeEnd) {
        const inner = readTag(wire, scopeEnd)
        if (inner === SCOPE.name) pushName(scopeName, scopeEnd, 0)
        else if (inner === SCOPE.version) pushName(scopeVersion, scopeEnd, 0)
        else skipField(wire, inner, scopeEnd)
      }
    }
    if (scopeName.length === 0) pushVarint(scopeName, 0)
    if (scopeVersion.length === 0) pushVarint(scopeVersion, 0)
    if (log.anyCut) sharedCut = true

    wire.at = from
    while (wire.at < end) {
      const tag = readTag(wire, end)
      if (tag === SCOPE_SPANS.span) {
        const length = readLength(wire, end)
        rowBytes += 2 * length + resourceValues.length + scopeName.length + ROW_OVERHEAD_BYTES
        if (rowBytes > maxRowBytes) throw new TooLargeError()
        decodeSpan(wire.at + length)
      } else skipField(wire, tag, end)
    }
  }

  /** Reads a string into a text column at `from`: where it comes again, the last counts. */
  function pushName(column: SpanBlock['traceState'], end: number, from: number): void {
    const length = readLength(wire, end)
    const at = wire.at
    wire.at = at + length
    column.length = from
    pushText(column, wire.bytes, wire.view, at, nameLength(at, length))
  }

  function nameLength(at: number, length: number): number {
    if (length <= limits.nameBytes) return length
    log.cuts.names++
    log.anyCut = true
    return cutLength(wire.bytes, at, length, limits.nameBytes)
  }

  function codeName(dictionary: TextDictionary, at: number, length: number): number {
    return numberOf(dictionary, wire.bytes, wire.view, at, nameLength(at, length))
  }

  function decodeSpan(end: number): void {
    received++
    takeMark(block, rowMark)
    log.anyCut = sharedCut
    const { bytes, view } = wire
    const traceStateAt = block.traceState.length
    const statusMessageAt = block.statusMessage.length
    let traceIdAt = 0
    let traceIdLength = 0
    let spanIdAt = 0
    let spanIdLength = 0
    let parentIdAt = 0
    let parentIdLength = 0
    let nameAt = 0
    let nameSize = 0
    let kind = 0
    let statusCode = 0
    let startLow = 0
    let startHigh = 0
    let endLow = 0
    let endHigh = 0
    let events = 0
    let links = 0
    spanAttributes.count = 0
    while (wire.at < end) {
      const tag = readTag(wire, end)
      switch (tag) {
        case SPAN.attribute: {
          const length = readLength(wire, end)
          pushAttribute(spanAttributes, wire, wire.at + length, log)
          break
        }
        case SPAN.traceId:
          traceIdLength = readLength(wire, end)
          traceIdAt = wire.at
          wire.at = traceIdAt + traceIdLength
          break
        case SPAN.spanId:
          spanIdLength = readLength(wire, end)
          spanIdAt = wire.at
          wire.at = spanIdAt + spanIdLength
          break
        case SPAN.parentSpanId:
          parentIdLength = readLength(wire, end)
          parentIdAt = wire.at
          wire.at = parentIdAt + parentIdLength
          break
        case SPAN.name:
          nameSize = readLength(wire, end)
          nameAt = wire.at
          wire.at = nameAt + nameSize
          break
        case SPAN.kind:
          kind = readEnum(end, KIND_NAMES.length - 1)
          break
        case SPAN.start: {
          const at = readFixed64(wire, end)
          startLow = view.getUint32(at, true)
          startHigh = view.getUint32(at + 4, true)
          break
        }
        case SPAN.end: {
          const at = readFixed64(wire, end)
          endLow = view.getUint32(at, true)
          endHigh = view.getUint32(at + 4, true)
          break
        }
        case SPAN.event: {
          const length = readLength(wire, end)
          if (events < limits.eventsPerSpan) {
            decodeEvent(wire.at + length)
            events++
          } else {
            log.cuts.events++
            log.anyCut = true
            wire.at += length
          }
          break
        }
        case SPAN.link: {
          const length = readLength(wire, end)
          if (links < limits.linksPerSpan) {
            decodeLink(wire.at + length)
            links++
          } else {
            log.cuts.links++
            log.anyCut = true
            wire.at += length
          }
          break
        }
        case SPAN.status: {
          const length = readLength(wire, end)
          const statusEnd = wire.at + length
          while (wire.at < statusEnd) {
            const inner = readTag(wire, statusEnd)
            if (inner === STATUS.message) pushName(block.statusMessage, statusEnd, statusMessageAt)
            else if (inner === STATUS.code) statusCode = readEnum(statusEnd, STATUS_NAMES.length - 1)
            else skipField(wire, inner, statusEnd)
          }
          break
        }
        case SPAN.traceState:
          pushName(block.traceState, end, traceStateAt)
          break
        default:
          skipField(wire, tag, end)
      }
    }

    // A start of 0 becomes the end (the analyzer's `no-time`); the flag keeps that it was.
    const hasStart = (startLow | startHigh) !== 0
    const timeLow = hasStart ? startLow : endLow
    const timeHigh = hasStart ? startHigh : endHigh
    const timeNs = timeHigh * TWO_32 + timeLow
    const isParentId = parentIdLength === 0 || parentIdLength === 8
    let reason: RejectReason | undefined
    if (traceIdLength !== 16 || isZero(bytes, traceIdAt, 16)) reason = 'invalid-trace-id'
    else if (spanIdLength !== 8 || isZero(bytes, spanIdAt, 8)) reason = 'invalid-span-id'
    else if (!isParentId) reason = 'invalid-parent-id'
    else if (timeNs === 0) reason = 'no-time'
    else if (timeNs < window.earliestNs) reason = 'too-old'
    else if (timeNs > window.latestNs) reason = 'too-new'
    if (reason !== undefined) {
      rejected[reason]++
      rollBack(block, rowMark)
      return
    }

    pushHex(block.traceId, bytes, traceIdAt, 16)
    pushHex(block.spanId, bytes, spanIdAt, 8)
    // An all-zero parent is none.
    pushHex(
      block.parentSpanId,
      bytes,
      parentIdAt,
      parentIdLength === 0 || isZero(bytes, parentIdAt, 8) ? 0 : 8,
    )
    pushWord(block.spanName.codes, codeName(block.spanName.dictionary, nameAt, nameSize))
    pushWord(block.spanKind.codes, kind)
    pushWord(block.statusCode.codes, statusCode)
    pushWord(block.serviceName.codes, serviceCode)
    if (block.traceState.length === traceStateAt) pushVarint(block.traceState, 0)
    if (block.statusMessage.length === statusMessageAt) pushVarint(block.statusMessage, 0)
    appendAll(block.scopeName, scopeName)
    appendAll(block.scopeVersion, scopeVersion)
    appendAll(block.resource.values, resourceValues)
    pushWords(block.resource.keys.codes, resourceCodes)
    pushWide(block.resource.ends, block.resource.keys.codes.length, 0)
    pushWide(block.attributes.ends, spanAttributes.codes.length, 0)
    pushWide(block.eventEnds, block.eventName.codes.length, 0)
    pushWide(block.linkEnds, block.linkAttributes.ends.length / 2, 0)
    pushWide(block.timestamp, timeLow, timeHigh)
    if (!hasStart) {
      pushWide(block.duration, 0, 0)
      pushWide(block.endBeforeStart, 0, 0)
    } else {
      const isBackwards = endHigh < startHigh || (endHigh === startHigh && endLow < startLow)
      const low = isBackwards ? startLow - endLow : endLow - startLow
      const high = (isBackwards ? startHigh - endHigh : endHigh - startHigh) - (low < 0 ? 1 : 0)
      pushWide(block.duration, isBackwards ? 0 : low, isBackwards ? 0 : high)
      pushWide(block.endBeforeStart, isBackwards ? low : 0, isBackwards ? high : 0)
    }
    pushWord(block.flags, (hasStart ? 0 : FLAG_NO_START) | (log.anyCut ? FLAG_CUT : 0))
    block.rows++
  }

  /** What is beyond the known values, `unknown`. */
  function readEnum(end: number, unknown: number): number {
    readVarint(wire, end)
    return wire.high === 0 && wire.low >= 0 && wire.low < unknown ? wire.low : unknown
  }

  function decodeEvent(end: number): void {
    let low = 0
    let high = 0
    let nameAt = 0
    let nameSize = 0
    eventAttributes.count = 0
    while (wire.at < end) {
      const tag = readTag(wire, end)
      if (tag === EVENT.attribute) {
        const length = readLength(wire, end)
        pushAttribute(eventAttributes, wire, wire.at + length, log)
      } else if (tag === EVENT.time) {
        const at = readFixed64(wire, end)
        low = wire.view.getUint32(at, true)
        high = wire.view.getUint32(at + 4, true)
      } else if (tag === EVENT.name) {
        nameSize = readLength(wire, end)
        nameAt = wire.at
        wire.at = nameAt + nameSize
      } else skipField(wire, tag, end)
    }
    // DateTime64 is signed: beyond the year 2262 is its last moment.
    if (high > 0x7fffffff) pushWide(block.eventTime, 0xffffffff, 0x7fffffff)
    else pushWide(block.eventTime, low, high)
    pushWord(block.eventName.codes, codeName(block.eventName.dictionary, nameAt, nameSize))
    pushWide(block.eventAttributes.ends, eventAttributes.codes.length, 0)
  }

  function decodeLink(end: number): void {
    const traceIdFrom = block.linkTraceId.length
    const spanIdFrom = block.linkSpanId.length
    const traceStateFrom = block.linkTraceState.length
    linkAttributes.count = 0
    while (wire.at < end) {
      const tag = readTag(wire, end)
      if (tag === LINK.attribute) {
        const length = readLength(wire, end)
        pushAttribute(linkAttributes, wire, wire.at + length, log)
      } else if (tag === LINK.traceId) pushLinkId(block.linkTraceId, end, traceIdFrom, 16)
      else if (tag === LINK.spanId) pushLinkId(block.linkSpanId, end, spanIdFrom, 8)
      else if (tag === LINK.traceState) pushName(block.linkTraceState, end, traceStateFrom)
      else skipField(wire, tag, end)
    }
    if (block.linkTraceId.length === traceIdFrom) pushVarint(block.linkTraceId, 0)
    if (block.linkSpanId.length === spanIdFrom) pushVarint(block.linkSpanId, 0)
    if (block.linkTraceState.length === traceStateFrom) pushVarint(block.linkTraceState, 0)
    pushWide(block.linkAttributes.ends, linkAttributes.codes.length, 0)
  }

  /** An id of another length points nowhere; what there is of it is kept, the span is none the worse. */
  function pushLinkId(column: SpanBlock['linkTraceId'], end: number, from: number, size: number): void {
    const length = readLength(wire, end)
    column.length = from
    pushHex(column, wire.bytes, wire.at, Math.min(length, size))
    wire.at += length
  }
}

function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false
  return true
}
