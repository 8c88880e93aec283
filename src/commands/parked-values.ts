import { closeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import { openNameless, readFully, writeFully } from '../formats/nameless-file.ts'

/** Values by key, in a temporary file: plain objects, arrays, texts, numbers, typed arrays. */
export type ParkedValues<Value> = {
  put(key: string, value: Value): void
  /** In the order in which they came. */
  of(key: string): Value[]
  /** In the order in which each was put first. */
  keys(): Iterable<string>
  /** Lets go of the file. */
  close(): void
}

export function createParkedValues<Value>(): ParkedValues<Value> {
  const places = new Map<string, { offset: number; length: number }[]>()
  let file: number | undefined
  let size = 0

  return {
    put(key, value) {
      file ??= openNameless()
      const bytes = serialize(value)
      writeFully(file, bytes)
      const place = { offset: size, length: bytes.length }
      const known = places.get(key)
      if (known === undefined) places.set(key, [place])
      else known.push(place)
      size += bytes.length
    },
    of: (key) => (places.get(key) ?? []).map(read),
    keys: () => places.keys(),
    close() {
      if (file !== undefined) closeSync(file)
      file = undefined
    },
  }

  function read({ offset, length }: { offset: number; length: number }): Value {
    const bytes = Buffer.allocUnsafeSlow(length)
    readFully(file!, bytes, offset)
    return deserialize(bytes)
  }
}
