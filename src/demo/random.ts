export type Random = () => number

/** mulberry32: a small seeded generator, uniform in [0, 1). */
export function createRandom(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A time of its own for each request: lognormal, in whole ns. `spread` is the sigma of its logarithm. */
export function drawNs(random: Random, medianMs: number, spread: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.round(medianMs * 1e6 * Math.exp(spread * normal))
}
