import { pushVarint, pushWide, pushWord } from './column-buffers.ts'
import { codeQueryName, dropErrorTexts, isOfDatabase } from './database-span.ts'
import { ABSENT, clearRoles, pushAttribute } from './decode-attributes.ts'
import { decodeEvent, decodeLink } from './decode-events.ts'
import { codeName, type Decoding, readEnum, readName, type TimeWindow } from './decoding.ts'
import { pushIdNumbers, pushLean } from './lean-columns.ts'
import type { RejectReason } from './limits.ts'
import {
  FLAG_CUT,
  FLAG_NO_START,
  KIND_NAMES,
  rollBack,
  type SpanBlock,
  STATUS_NAMES,
  takeMark,
} from './native-columns.ts'
import { pushHex } from './text.ts'
import { takeBack } from './text-dictionary.ts'
import { readFixed64, readLength, readTag, skipField } from './wire.ts'

// Tags: field number << 3 | wire type.
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
const STATUS = { message: 0x12, code: 0x18 } as const

const TWO_32 = 0x1_0000_0000

/**
 * Reads a span up to `end` into a row of the block, or rejects it and leaves no row; what it shares with others of its
 * resource and scope is for the caller to append. Fields come in any order: what
 * goes into flat columns (attributes, events, links) is appended as it comes, the others are noted and appended last.
 */
export function decodeSpan(decoding: Decoding, end: number): void {
  const { wire, block, limits, log, shared, spanAttributes } = decoding
  const { bytes, view } = wire
  decoding.received++
  takeMark(block.early, decoding.rowMark)
  log.anyCut = shared.isCut
  spanAttributes.count = 0
  spanAttributes.errorTexts.length = 0
  decoding.eventAttributes.errorTexts.length = 0
  clearRoles(spanAttributes.roles)
  const traceStateAt = block.traceState.length
  const statusMessageAt = block.statusMessage.length
  let traceIdAt = ABSENT
  let spanIdAt = ABSENT
  let parentIdAt = ABSENT
  let isParentId = true
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
  while (wire.at < end) {
    const tag = readTag(wire, end)
    switch (tag) {
      case SPAN.attribute: {
        const length = readLength(wire, end)
        pushAttribute(spanAttributes, wire, wire.at + length, log)
        break
      }
      case SPAN.traceId: {
        const length = readLength(wire, end)
        traceIdAt = length === 16 && !isZero(bytes, wire.at, 16) ? wire.at : ABSENT
        wire.at += length
        break
      }
      case SPAN.spanId: {
        const length = readLength(wire, end)
        spanIdAt = length === 8 && !isZero(bytes, wire.at, 8) ? wire.at : ABSENT
        wire.at += length
        break
      }
      case SPAN.parentSpanId: {
        // All zero is no parent, too.
        const length = readLength(wire, end)
        isParentId = length === 8 || length === 0
        parentIdAt = length === 8 && !isZero(bytes, wire.at, 8) ? wire.at : ABSENT
        wire.at += length
        break
      }
      case SPAN.name:
        nameSize = readLength(wire, end)
        nameAt = wire.at
        wire.at = nameAt + nameSize
        break
      case SPAN.kind:
        kind = readEnum(wire, end, KIND_NAMES.length - 1)
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
        if (events++ < limits.eventsPerSpan) {
          decodeEvent(decoding, wire.at + length)
        } else {
          log.cuts.events++
          log.anyCut = true
          wire.at += length
        }
        break
      }
      case SPAN.link: {
        const length = readLength(wire, end)
        if (links++ < limits.linksPerSpan) {
          decodeLink(decoding, wire.at + length)
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
          if (inner === STATUS.message) readName(decoding, block.statusMessage, statusEnd, statusMessageAt)
          else if (inner === STATUS.code) statusCode = readEnum(wire, statusEnd, STATUS_NAMES.length - 1)
          else skipField(wire, inner, statusEnd)
        }
        break
      }
      case SPAN.traceState:
        readName(decoding, block.traceState, end, traceStateAt)
        break
      default:
        skipField(wire, tag, end)
    }
  }

  // A start of 0 becomes the end (the analyzer's `no-time`); the flag keeps that it was.
  const hasStart = (startLow | startHigh) !== 0
  const timeLow = hasStart ? startLow : endLow
  const timeHigh = hasStart ? startHigh : endHigh
  let reason: RejectReason | undefined
  if (traceIdAt === ABSENT) reason = 'invalid-trace-id'
  else if (spanIdAt === ABSENT) reason = 'invalid-span-id'
  else if (!isParentId) reason = 'invalid-parent-id'
  else reason = timeProblem(timeHigh * TWO_32 + timeLow, decoding.window)
  if (reason !== undefined) {
    decoding.rejected[reason]++
    rollBack(block.early, decoding.rowMark, takeBack)
    return
  }

  pushHex(block.traceId, bytes, traceIdAt, 16)
  pushHex(block.spanId, bytes, spanIdAt, 8)
  pushHex(block.parentSpanId, bytes, parentIdAt, parentIdAt === ABSENT ? 0 : 8)
  pushIdNumbers(block, view, traceIdAt, spanIdAt, parentIdAt)
  const dropsValues =
    !limits.keepQueryValues && isOfDatabase(block.attributes.values, spanAttributes.roles.at)
  if (dropsValues) dropErrorTexts(decoding, statusMessageAt)
  const nameCode = dropsValues
    ? codeQueryName(decoding, nameAt, nameSize)
    : codeName(decoding, block.spanName.dictionary, nameAt, nameSize)
  pushWord(block.spanName.codes, nameCode)
  pushWord(block.spanKind.codes, kind)
  pushWord(block.statusCode.codes, statusCode)
  if (block.traceState.length === traceStateAt) pushVarint(block.traceState, 0)
  if (block.statusMessage.length === statusMessageAt) pushVarint(block.statusMessage, 0)
  pushLean(decoding.lean, block, shared, spanAttributes.roles, kind, nameCode, traceStateAt)
  pushWide(block.attributes.ends, spanAttributes.codes.length, 0)
  pushWide(block.eventEnds, block.eventName.codes.length, 0)
  pushWide(block.linkEnds, block.linkAttributes.ends.length / 2, 0)

  pushWide(block.timestamp, timeLow, timeHigh)
  pushLength(block, timeLow, timeHigh, endLow, endHigh)
  pushWord(block.flags, (hasStart ? 0 : FLAG_NO_START) | (log.anyCut ? FLAG_CUT : 0))
  block.rows++
}

function timeProblem(timeNs: number, window: TimeWindow): RejectReason | undefined {
  if (timeNs === 0) return 'no-time'
  if (timeNs < window.earliestNs) return 'too-old'
  return timeNs > window.latestNs ? 'too-new' : undefined
}

/** Duration, or by how much the end lies before the start. */
function pushLength(
  block: SpanBlock,
  startLow: number,
  startHigh: number,
  endLow: number,
  endHigh: number,
): void {
  if (endHigh < startHigh || (endHigh === startHigh && endLow < startLow)) {
    pushWide(block.duration, 0, 0)
    pushWide(block.endBeforeStart, startLow - endLow, startHigh - endHigh - (startLow < endLow ? 1 : 0))
  } else {
    pushWide(block.duration, endLow - startLow, endHigh - startHigh - (endLow < startLow ? 1 : 0))
    pushWide(block.endBeforeStart, 0, 0)
  }
}

function isZero(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false
  return true
}
