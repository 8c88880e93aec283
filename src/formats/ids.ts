import { createHash } from 'node:crypto'

const HEX = /^[0-9a-fA-F]+$/
/** Standard base64 of 8 or 16 bytes: how protobuf's own JSON writes `bytes` (`AAAAAAAAAAE=`). OTLP JSON says hex. */
const BASE64 = /^(?:[A-Za-z0-9+/]{11}=|[A-Za-z0-9+/]{22}==)$/

export const TRACE_ID_DIGITS = 32
export const SPAN_ID_DIGITS = 16

/**
 * An id as `digits` lower-case hex digits; '' if there is none or it is all zeros. Short ones are left-padded (Jaeger
 * writes 1 to 32 digits). Anything else names a span well enough within its file: it is stood in for by a hash.
 */
export function normalizeId(id: unknown, digits: number): string {
  if (typeof id !== 'string' || id === '') return ''
  if (id.length <= digits && HEX.test(id)) {
    const padded = (id.length === digits ? id : id.padStart(digits, '0')).toLowerCase()
    return isZero(padded) ? '' : padded
  }
  if (BASE64.test(id)) {
    const hex = Buffer.from(id, 'base64').toString('hex')
    if (hex.length === digits) return isZero(hex) ? '' : hex
  }
  return createHash('sha256').update(id).digest('hex').slice(0, digits)
}

function isZero(hex: string): boolean {
  for (let i = 0; i < hex.length; i++) if (hex.charCodeAt(i) !== 0x30) return false
  return true
}
