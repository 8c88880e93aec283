/** Digits from which on a number may not be exact as a double. */
const LONG = 16
const LONG_INTEGER = new RegExp(`(?<![\\d.eE+])-?\\d{${LONG},}(?![\\d.eE])`, 'g')

/**
 * Puts quotes around integers of 16 digits or more, outside of strings, so that JSON.parse keeps all of them: some
 * exporters write 64-bit integers as JSON numbers.
 */
export function quoteLongIntegers(json: string): string {
  // Most requests have none: times are text.
  if (!/[:[,\s]-?\d{16}/.test(json)) return json
  const parts: string[] = []
  let at = 0
  for (;;) {
    const open = json.indexOf('"', at)
    parts.push(json.slice(at, open < 0 ? undefined : open).replace(LONG_INTEGER, '"$&"'))
    if (open < 0) return parts.join('')
    let close = json.indexOf('"', open + 1)
    while (close >= 0 && isEscaped(json, close)) close = json.indexOf('"', close + 1)
    // JSON.parse will say what is wrong with it.
    if (close < 0) return json
    parts.push(json.slice(open, close + 1))
    at = close + 1
  }
}

/** An odd number of backslashes before the quote. */
function isEscaped(json: string, at: number): boolean {
  let first = at
  while (json.charCodeAt(first - 1) === 0x5c) first--
  return (at - first) % 2 === 1
}
