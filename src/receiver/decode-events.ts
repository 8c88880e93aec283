import { type ByteBuffer, pushVarint, pushWide, pushWord } from './column-buffers.ts'
import { pushAttribute } from './decode-attributes.ts'
import { codeName, type Decoding, readName } from './decoding.ts'
import { pushHex } from './text.ts'
import { readFixed64, readLength, readTag, skipField, type Wire } from './wire.ts'

// Tags: field number << 3 | wire type.
const EVENT = { time: 0x09, name: 0x12, attribute: 0x1a } as const
const LINK = { traceId: 0x0a, spanId: 0x12, traceState: 0x1a, attribute: 0x22 } as const

export function decodeEvent(decoding: Decoding, end: number): void {
  const { wire, block, eventAttributes } = decoding
  let low = 0
  let high = 0
  let nameAt = 0
  let nameSize = 0
  eventAttributes.count = 0
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === EVENT.attribute) {
      const length = readLength(wire, end)
      pushAttribute(eventAttributes, wire, wire.at + length, decoding.log)
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
  pushWord(block.eventName.codes, codeName(decoding, block.eventName.dictionary, nameAt, nameSize))
  pushWide(block.eventAttributes.ends, eventAttributes.codes.length, 0)
}

export function decodeLink(decoding: Decoding, end: number): void {
  const { wire, block, linkAttributes } = decoding
  const traceIdFrom = block.linkTraceId.length
  const spanIdFrom = block.linkSpanId.length
  const traceStateFrom = block.linkTraceState.length
  linkAttributes.count = 0
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag === LINK.attribute) {
      const length = readLength(wire, end)
      pushAttribute(linkAttributes, wire, wire.at + length, decoding.log)
    } else if (tag === LINK.traceId) readLinkId(wire, end, block.linkTraceId, traceIdFrom, 16)
    else if (tag === LINK.spanId) readLinkId(wire, end, block.linkSpanId, spanIdFrom, 8)
    else if (tag === LINK.traceState) readName(decoding, block.linkTraceState, end, traceStateFrom)
    else skipField(wire, tag, end)
  }
  if (block.linkTraceId.length === traceIdFrom) pushVarint(block.linkTraceId, 0)
  if (block.linkSpanId.length === spanIdFrom) pushVarint(block.linkSpanId, 0)
  if (block.linkTraceState.length === traceStateFrom) pushVarint(block.linkTraceState, 0)
  pushWide(block.linkAttributes.ends, linkAttributes.codes.length, 0)
}

/** An id of another length points nowhere; what there is of it is kept, the span is none the worse. */
function readLinkId(wire: Wire, end: number, column: ByteBuffer, from: number, size: number): void {
  const length = readLength(wire, end)
  column.length = from
  pushHex(column, wire.bytes, wire.at, Math.min(length, size))
  wire.at += length
}
