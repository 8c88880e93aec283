import { FormatError } from './problem.ts'

/** `"startTimeUnixNano": 1485449191639875000`: a number of more digits than a double holds, under a key that matters. */
const LONG_NUMBER =
  /("(?:startTimeUnixNano|endTimeUnixNano|timeUnixNano|intValue|value)"\s*:\s*)(-?\d{16,})(?=\s*[,}\]])/g

/**
 * The JSON text with such numbers quoted. The key's closing quote cannot occur within a string (it would be escaped
 * there), so nothing inside strings is touched.
 */
export function quoteLongNumbers(json: string): string {
  return json.replace(LONG_NUMBER, '$1"$2"')
}

/** Whether a parsed number may have lost digits. */
export function isUnsafe(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
}

const DIGITS = /^\d{1,20}$/
const LATEST_NS = 2n ** 64n

/** Whole nanoseconds given as a decimal string or number; absent: 0. @throws FormatError */
export function nanoseconds(value: unknown, field: string): bigint {
  if (value === undefined || value === null || value === 0 || value === '') return 0n
  let ns = -1n
  if (typeof value === 'string' && DIGITS.test(value)) ns = BigInt(value)
  else if (typeof value === 'number' && value > 0 && Number.isFinite(value)) ns = BigInt(Math.round(value))
  if (ns < 0n || ns >= LATEST_NS) {
    throw new FormatError(`expected whole nanoseconds in ${field}, found ${JSON.stringify(value)}`)
  }
  return ns
}

/** Microseconds (with decimals, if any) to nanoseconds. Absent: undefined. @throws FormatError */
export function microseconds(value: unknown, field: string): bigint | undefined {
  if (value === undefined || value === null) return undefined
  const us = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value
  if (typeof us !== 'number' || !Number.isFinite(us) || us >= Number(LATEST_NS / 1000n)) {
    throw new FormatError(`expected microseconds in ${field}, found ${JSON.stringify(value)}`)
  }
  const whole = Math.floor(us)
  return BigInt(whole) * 1000n + BigInt(Math.round((us - whole) * 1000))
}
