import { MalformedError } from './wire.ts'

/** About what JSON.parse takes for each, in bytes: measured with lists of empty ones, of numbers, and objects of one key. */
const CONTAINER_BYTES = 96
const KEY_BYTES = 48
const ITEM_BYTES = 24
/** No message has as many fields; distinct keys by the million take JSON.parse the longest. */
const MOST_MEMBERS = 1024
/** An attribute value that is nested as deeply as may be takes a quarter of it. */
const DEEPEST = 1000

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * How many bytes the objects of a JSON text take, before any is made: `[],` is forty times its length. Linear, at a
 * fiftieth of the time of reading it; whether it is JSON is for JSON.parse to say.
 *
 * @throws MalformedError for what is nested too deeply, or has too many members, for any request
 */
export function jsonWeight(json: Uint8Array): number {
  /** Members of each object that is open, -1: a list. */
  const members = new Int16Array(DEEPEST)
  let depth = 0
  let containers = 0
  let keys = 0
  let items = 0
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case QUOTE:
        while (++i < json.length && json[i] !== QUOTE) if (json[i] === BACKSLASH) i++
        break
      case 0x5b: // [
      case 0x7b: // {
        if (depth === DEEPEST) throw new MalformedError('nested too deeply')
        members[depth++] = json[i] === 0x7b ? 0 : -1
        containers++
        break
      case 0x5d: // ]
      case 0x7d: // }
        if (depth > 0) depth--
        break
      case 0x3a: // :
        keys++
        if (depth > 0 && members[depth - 1]! >= 0 && ++members[depth - 1]! > MOST_MEMBERS) {
          throw new MalformedError('an object with too many members')
        }
        break
      case 0x2c: // ,
        items++
    }
  }
  return containers * CONTAINER_BYTES + keys * KEY_BYTES + items * ITEM_BYTES
}
