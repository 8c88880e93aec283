import type { ByteBuffer } from './column-buffers.ts'
import { pushAscii, pushShortText, pushSmallNumber, pushString, pushText } from './text.ts'
import { MalformedError, readFixed64, readLength, readTag, readVarint, skipField, type Wire } from './wire.ts'

/** Protobuf's own readers stop at about as many messages within messages. */
const MAX_DEPTH = 64

const STRING = 0x0a
const BOOL = 0x10
const INT = 0x18
const DOUBLE = 0x21
const ARRAY = 0x2a
const KEY_VALUES = 0x32
const BYTES = 0x3a
/** What begins and ends within so many bytes has a length of one byte. */
const SHORT = 0x7f
const KNOWN = new Set([STRING, BOOL, INT, DOUBLE, ARRAY, KEY_VALUES, BYTES])

/**
 * Appends an AnyValue as the text the Collector makes of it: strings as they are, bool, int and double as JSON has
 * them, bytes in base64, arrays and maps as JSON, nothing as ''. A oneof that is set more than once: the last counts.
 */
export function pushAnyValue(to: ByteBuffer, wire: Wire, end: number): void {
  const { bytes, at } = wire
  // By far the most: one value, in few bytes.
  if (end - at <= SHORT) {
    const size = end - at - 2
    const first = bytes[at + 1]!
    switch (size < 0 ? 0 : bytes[at]) {
      case STRING:
        if (first === size) {
          wire.at = end
          pushShortText(to, bytes, wire.view, at + 1, size)
          return
        }
        break
      case INT:
        if (size === 0 && first < 0x80) {
          wire.at = end
          pushSmallNumber(to, first)
          return
        }
        if (size === 1 && first >= 0x80 && bytes[at + 2]! < 0x80) {
          wire.at = end
          pushSmallNumber(to, (first & 0x7f) | (bytes[at + 2]! << 7))
          return
        }
        break
      case BOOL:
        if (size === 0 && first < 0x80) {
          wire.at = end
          pushAscii(to, first === 0 ? 'false' : 'true')
          return
        }
        break
    }
  }
  const start = to.length
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (!KNOWN.has(tag)) {
      skipField(wire, tag, end)
      continue
    }
    to.length = start
    switch (tag) {
      case STRING: {
        const length = readLength(wire, end)
        pushText(to, wire.bytes, wire.view, wire.at, length)
        wire.at += length
        break
      }
      case BOOL:
        readVarint(wire, end)
        pushAscii(to, (wire.low | wire.high) === 0 ? 'false' : 'true')
        break
      case INT:
        readVarint(wire, end)
        pushAscii(to, intText(wire.low, wire.high))
        break
      case DOUBLE:
        pushAscii(to, doubleText(wire.view.getFloat64(readFixed64(wire, end), true)))
        break
      case ARRAY:
      case KEY_VALUES: {
        const length = readLength(wire, end)
        const json = tag === ARRAY ? arrayJson : keyValuesJson
        pushString(to, json(wire, wire.at + length, 1))
        break
      }
      case BYTES:
        pushAscii(to, base64(wire, readLength(wire, end)))
        break
    }
  }
  if (to.length === start) pushAscii(to, '')
}

/** Two's complement 64-bit integer as decimal text, exact. */
export function intText(low: number, high: number): string {
  if (high === low >> 31) return String(low)
  return String((BigInt(high) << 32n) | BigInt(low >>> 0))
}

/** JavaScript and Go agree on numbers up to the exponent's cut-offs; what is no JSON number is named as Go does. */
export function doubleText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value)
  return `json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`
}

function base64(wire: Wire, length: number): string {
  const { bytes } = wire
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + wire.at, length).toString('base64')
  wire.at += length
  return text
}

function utf8(wire: Wire, length: number): string {
  const { bytes } = wire
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + wire.at, length).toString('utf8')
  wire.at += length
  return text
}

/** An AnyValue within an array or map. Integers keep all their digits; a double that JSON lacks is its name. */
function valueJson(wire: Wire, end: number, depth: number): string {
  if (depth > MAX_DEPTH) throw new MalformedError('attribute value nested too deeply')
  let json = 'null'
  while (wire.at < end) {
    const tag = readTag(wire, end)
    switch (tag) {
      case STRING:
        json = JSON.stringify(utf8(wire, readLength(wire, end)))
        break
      case BOOL:
        readVarint(wire, end)
        json = (wire.low | wire.high) === 0 ? 'false' : 'true'
        break
      case INT:
        readVarint(wire, end)
        json = intText(wire.low, wire.high)
        break
      case DOUBLE: {
        const value = wire.view.getFloat64(readFixed64(wire, end), true)
        json = Number.isFinite(value) ? doubleText(value) : `"${value}"`
        break
      }
      case ARRAY: {
        const length = readLength(wire, end)
        json = arrayJson(wire, wire.at + length, depth + 1)
        break
      }
      case KEY_VALUES: {
        const length = readLength(wire, end)
        json = keyValuesJson(wire, wire.at + length, depth + 1)
        break
      }
      case BYTES:
        json = `"${base64(wire, readLength(wire, end))}"`
        break
      default:
        skipField(wire, tag, end)
    }
  }
  return json
}

const VALUES = 0x0a

function arrayJson(wire: Wire, end: number, depth: number): string {
  const items: string[] = []
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag !== VALUES) {
      skipField(wire, tag, end)
      continue
    }
    const length = readLength(wire, end)
    items.push(valueJson(wire, wire.at + length, depth))
  }
  return `[${items.join(',')}]`
}

const KEY = 0x0a
const VALUE = 0x12

/** Keys sorted; of equal ones the last counts, as in a Go map. */
function keyValuesJson(wire: Wire, end: number, depth: number): string {
  const members = new Map<string, string>()
  while (wire.at < end) {
    const tag = readTag(wire, end)
    if (tag !== VALUES) {
      skipField(wire, tag, end)
      continue
    }
    const length = readLength(wire, end)
    const pairEnd = wire.at + length
    let key = ''
    let json = 'null'
    while (wire.at < pairEnd) {
      const inner = readTag(wire, pairEnd)
      if (inner === KEY) key = utf8(wire, readLength(wire, pairEnd))
      else if (inner === VALUE) {
        const size = readLength(wire, pairEnd)
        json = valueJson(wire, wire.at + size, depth)
      } else skipField(wire, inner, pairEnd)
    }
    members.set(key, json)
  }
  const sorted = [...members].sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${sorted.map(([key, json]) => `${JSON.stringify(key)}:${json}`).join(',')}}`
}
