/**
 * What a span's children waited for, learned over many traces. One trace cannot tell a dependency from coincidence; over
 * many, a call that was started while another was still running did not wait for it.
 *
 * Children of one kind of parent are compared where the parent made the same calls (its **signature**: which calls, how
 * often each). Which occurrence of a repeated call a child is (its **site**) is latent: children are assigned to the
 * sites that make their own lengths and gaps likely, and structure and assignment are improved in turns (hard EM).
 */

/** Children of one parent, in span order. Times are ns since the parent's start. */
export type Family = {
  /** What is called: same number, same call. Ascending order of numbers is no order of time. */
  calls: readonly number[]
  starts: ArrayLike<number>
  ends: ArrayLike<number>
  lengthNs: number
}

export type Site = {
  call: number
  /** Sites that this one waited for; none: the parent's start. */
  waitsFor: readonly number[]
  /** Whether the parent's end waited for it. */
  joined: boolean
  gap: LogNormal
  length: LogNormal
}
export type Structure = { sites: readonly Site[] }
type LogNormal = { mean: number; sigma: number }

/** A signature needs this many families before what they show overrides the rules for one trace. */
export const LEAST_FAMILIES = 30
/** More families than this teach nothing more. */
export const MOST_FAMILIES = 300
/** More children than this are a loop, not a program to be told apart site by site. */
export const MOST_SITES = 24
/** A dependency may look disproved in this share of the families: some children are assigned to the wrong site. */
const TOLERATED = 0.02
const ROUNDS = 8
/** Times below this are the clock's, not the program's, ns. */
const TRIFLE_NS = 1000

/** Learns the structure of families with one signature. */
export function learnStructure(families: readonly Family[]): Structure {
  let best: Fitted | undefined
  for (const guess of GUESSES) {
    const fitted = climb(
      families,
      families.map((family) => bySite(family, guess)),
    )
    if (best === undefined || fitted.likelihood > best.likelihood) best = fitted
    // With every call made once there is nothing to guess.
    if (new Set(families[0]!.calls).size === families[0]!.calls.length) break
  }
  return { sites: fitSites(families, best!.assigned, best!.calls, conservatively) }
}

type Fitted = { assigned: Int32Array[]; calls: number[]; likelihood: number }

/** Structure and assignment are improved in turns, from a first guess of the assignment. */
function climb(families: readonly Family[], assigned: Int32Array[]): Fitted {
  const calls = new Array<number>(families[0]!.calls.length)
  families[0]!.calls.forEach((call, child) => {
    calls[assigned[0]![child]!] = call
  })
  let likelihood = Number.NEGATIVE_INFINITY
  for (let round = 0; round < ROUNDS; round++) {
    const sites = fitSites(families, assigned, calls, greedily)
    let changed = 0
    likelihood = 0
    families.forEach((family, f) => {
      const { likelier, sum } = improve(family, assigned[f]!, sites)
      if (likelier) changed++
      likelihood += sum
    })
    if (changed === 0) break
  }
  return { assigned, calls, likelihood }
}

/** First guesses of which occurrence a child is: by start, by end, by length. */
const GUESSES: readonly ((family: Family, child: number) => number)[] = [
  (family, child) => family.starts[child]!,
  (family, child) => family.ends[child]!,
  (family, child) => family.ends[child]! - family.starts[child]!,
]

/** Sites numbered by call, then by what orders children of one call. */
function bySite(family: Family, order: (family: Family, child: number) => number): Int32Array {
  const children = family.calls.map((_, child) => child)
  children.sort((a, b) => family.calls[a]! - family.calls[b]! || order(family, a) - order(family, b) || a - b)
  const sites = new Int32Array(children.length)
  children.forEach((child, site) => {
    sites[child] = site
  })
  return sites
}

/** The site of each child of a family, by the structure. */
export function assignSites(family: Family, structure: Structure): Int32Array {
  let best: Int32Array | undefined
  let likelihood = Number.NEGATIVE_INFINITY
  for (const guess of GUESSES) {
    const assigned = bySite(family, guess)
    const { sum } = improve(family, assigned, structure.sites)
    if (sum > likelihood) {
      likelihood = sum
      best = assigned
    }
  }
  return best!
}

/** Swaps children of one call between sites while that makes the family likelier. */
function improve(
  family: Family,
  siteOf: Int32Array,
  sites: readonly Site[],
): { likelier: boolean; sum: number } {
  const n = siteOf.length
  const childAt = new Int32Array(n)
  siteOf.forEach((site, child) => {
    childAt[site] = child
  })
  let changed = false
  let best = likelihood(family, childAt, sites)
  for (let pass = 0; pass < n; pass++) {
    let improved = false
    for (let a = 0; a < n; a++) {
      for (let b = a + 1; b < n && sites[b]!.call === sites[a]!.call; b++) {
        swap(childAt, a, b)
        const after = likelihood(family, childAt, sites)
        if (after > best + 1e-9) {
          best = after
          improved = true
        } else swap(childAt, a, b)
      }
    }
    if (!improved) break
    changed = true
  }
  childAt.forEach((child, site) => {
    siteOf[child] = site
  })
  return { likelier: changed, sum: best }
}

function swap(values: Int32Array, a: number, b: number): void {
  const kept = values[a]!
  values[a] = values[b]!
  values[b] = kept
}

/** A start before what it should have waited for is this unlikely, log. */
const VIOLATION = -60

function likelihood(family: Family, childAt: Int32Array, sites: readonly Site[]): number {
  let sum = 0
  for (let s = 0; s < sites.length; s++) {
    const site = sites[s]!
    const child = childAt[s]!
    const start = family.starts[child]!
    sum += density(family.ends[child]! - start, site.length)
    if (site.joined && family.ends[child]! > family.lengthNs) sum += VIOLATION
    let ready = 0
    for (const p of site.waitsFor) {
      const end = family.ends[childAt[p]!]!
      if (end > start) sum += VIOLATION
      else if (end > ready) ready = end
    }
    sum += density(start - ready, site.gap)
  }
  return sum
}

function density(ns: number, { mean, sigma }: LogNormal): number {
  const x = Math.log(Math.max(ns, TRIFLE_NS))
  const z = (x - mean) / sigma
  return -x - Math.log(sigma) - 0.5 * Math.min(z * z, 50)
}

function fitLogNormal(values: readonly number[]): LogNormal {
  let mean = 0
  for (const v of values) mean += Math.log(Math.max(v, TRIFLE_NS))
  mean /= values.length
  let square = 0
  for (const v of values) square += (Math.log(Math.max(v, TRIFLE_NS)) - mean) ** 2
  return { mean, sigma: Math.max(0.05, Math.sqrt(square / values.length)) }
}

/** Times by family and site, of children whose sites are known. */
type Times = { n: number; count: number; starts: Float64Array; ends: Float64Array }
type ChoosePredecessors = (times: Times, j: number) => number[]

/** Structure and times of sites whose children are known. */
function fitSites(
  families: readonly Family[],
  assigned: readonly Int32Array[],
  calls: readonly number[],
  choose: ChoosePredecessors,
): Site[] {
  const n = calls.length
  const count = families.length
  const starts = new Float64Array(n * count)
  const ends = new Float64Array(n * count)
  families.forEach((family, f) => {
    assigned[f]!.forEach((site, child) => {
      starts[f * n + site] = family.starts[child]!
      ends[f * n + site] = family.ends[child]!
    })
  })
  const times = { n, count, starts, ends }
  return calls.map((call, j) => {
    const waitsFor = choose(times, j)
    const lengths: number[] = []
    let outlives = 0
    families.forEach((family, f) => {
      lengths.push(ends[f * n + j]! - starts[f * n + j]!)
      if (ends[f * n + j]! > family.lengthNs) outlives++
    })
    return {
      call,
      waitsFor,
      joined: outlives <= TOLERATED * count,
      gap: fitLogNormal(gapsOf(times, j, waitsFor)),
      length: fitLogNormal(lengths),
    }
  })
}

/** Time from the last end of the predecessors (that have ended) to the start. */
function gapsOf({ n, count, starts, ends }: Times, j: number, waitsFor: readonly number[]): number[] {
  const gaps = new Array<number>(count)
  for (let f = 0; f < count; f++) {
    const start = starts[f * n + j]!
    let ready = 0
    for (const k of waitsFor) {
      const end = ends[f * n + k]!
      if (end > ready && end <= start) ready = end
    }
    gaps[f] = start - ready
  }
  return gaps
}

function disproved({ n, count, starts, ends }: Times, j: number, k: number): number {
  let against = 0
  for (let f = 0; f < count; f++) if (ends[f * n + k]! > starts[f * n + j]!) against++
  return against
}

function explains(times: Times, j: number, waitsFor: readonly number[]): number {
  const gaps = gapsOf(times, j, waitsFor)
  const fitted = fitLogNormal(gaps)
  let sum = 0
  for (const gap of gaps) sum += density(gap, fitted)
  return sum
}

/** Log-likelihood that one more predecessor must win, and that a counter-example costs. */
const WORTH = 4
const COUNTER_EXAMPLE = 8

/** While assignments are uncertain: adds the predecessor that explains the starts best, as long as one does. */
function greedily(times: Times, j: number): number[] {
  const chosen: number[] = []
  let best = explains(times, j, chosen)
  for (;;) {
    let next = -1
    let likelihood = best + WORTH
    for (let k = 0; k < times.n; k++) {
      if (k === j || chosen.includes(k)) continue
      const against = disproved(times, j, k)
      if (against > times.count / 4) continue
      const after = explains(times, j, [...chosen, k]) - COUNTER_EXAMPLE * against
      if (after > likelihood) {
        likelihood = after
        next = k
      }
    }
    if (next < 0) return chosen
    chosen.push(next)
    best = likelihood
  }
}

/**
 * In the end: everything that was not disproved, as in one trace, but for predecessors without which the starts are
 * explained better (their gaps are steadier without them).
 */
function conservatively(times: Times, j: number): number[] {
  let kept: number[] = []
  for (let k = 0; k < times.n; k++) {
    if (k !== j && disproved(times, j, k) <= TOLERATED * times.count) kept.push(k)
  }
  let best = explains(times, j, kept)
  for (;;) {
    let dropped = -1
    for (const k of kept) {
      const after = explains(
        times,
        j,
        kept.filter((m) => m !== k),
      )
      if (after > best + WORTH) {
        best = after
        dropped = k
      }
    }
    if (dropped < 0) return kept
    kept = kept.filter((m) => m !== dropped)
  }
}
