/**
 * MurmurHash3, 32 bits of x86, seed 0: what ClickHouse calls `murmurHash3_32`.
 * https://github.com/aappleby/smhasher/wiki/MurmurHash3
 */
export function murmurHash3(view: DataView, from: number, length: number): number {
  let hash = 0
  let at = from
  for (const end = from + length - 3; at < end; at += 4) {
    hash ^= mixed(view.getUint32(at, true))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = from + length - 1; i >= at; i--) tail = (tail << 8) | view.getUint8(i)
  if ((length & 3) !== 0) hash ^= mixed(tail)
  hash ^= length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function mixed(word: number): number {
  const scaled = Math.imul(word, 0xcc9e2d51)
  return Math.imul((scaled << 15) | (scaled >>> 17), 0x1b873593)
}
