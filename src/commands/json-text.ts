/** Values below this many elements in all their arrays are written at once. */
const AT_ONCE = 1000

/** JSON text of a value, in pieces: a trace of millions of spans is longer than a string can be. */
export function* jsonText(value: unknown): Generator<string> {
  if (Array.isArray(value) && (value.length > AT_ONCE || value.some(isLarge))) {
    yield '['
    for (const [i, element] of value.entries()) {
      if (i > 0) yield ','
      yield* jsonText(element)
    }
    yield ']'
  } else if (isLarge(value)) {
    yield '{'
    let separator = ''
    for (const [key, inner] of Object.entries(value)) {
      if (inner === undefined) continue
      yield `${separator}${JSON.stringify(key)}:`
      yield* jsonText(inner)
      separator = ','
    }
    yield '}'
  } else {
    yield JSON.stringify(value)
  }
}

/** An object with a long array somewhere in it. */
function isLarge(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.values(value).some(
    (inner) => Array.isArray(inner) && (inner.length > AT_ONCE || inner.some(isLarge)),
  )
}
