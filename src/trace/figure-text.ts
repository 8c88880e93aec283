/** Of a share, in whole percent. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

const UNITS: readonly [string, number][] = [
  ['ns', 1],
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
]

/** `412 ns`, `1.5 ms`, `12 s`: three digits are enough to compare. */
export function duration(ns: number): string {
  let text = ''
  for (const [unit, scale] of UNITS) {
    const value = ns / scale
    const rounded = Math.abs(value) < 1000 ? Number(value.toPrecision(3)) : Math.round(value)
    text = `${rounded} ${unit}`
    if (Math.abs(rounded) < 1000) break
  }
  return text
}
