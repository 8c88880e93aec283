/** What an event may have waited for, by place in `sites`. */
export type Choice = {
  readonly waitsFor: readonly number[]
  readonly possible: readonly number[]
}

/** So often an event would have to come before an end by chance for its always coming after to tell anything. */
const TELLING = 20

/**
 * The ends that each event waited for, without those that only look like it because a branch is short. Programs are made
 * of parts one after the other and of branches side by side that are joined: in such an order no two events cross (an N
 * in the order; Valdes, Tarjan, Lawler, The Recognition of Series Parallel Digraphs, 1982). Where `k` goes on to `m`, and
 * `j`, side by side with `m`, comes after a `certain` end that `m` did not wait for either, `k` is in the other branch,
 * however often it had ended by then. The last of the events is the parent's end, which joins all branches.
 *
 * `byChance`: in how many families j would come before the end of k if it did not wait for it.
 */
export function withoutCrossings(
  choices: readonly Choice[],
  certain: readonly (readonly number[])[],
  byChance: (j: number, k: number) => number,
): readonly (readonly number[])[] {
  const sites = choices.length - 1
  const kept = choices.map(({ waitsFor }) => waitsFor)
  const isBeside = (a: number, b: number) =>
    a !== b && !choices[a]!.possible.includes(b) && !choices[b]!.possible.includes(a)
  const next: number[][] = choices.map(() => [])
  for (let j = 0; j < sites; j++) for (const k of certain[j]!) next[k]!.push(j)
  const crosses = (j: number, k: number) =>
    next[k]!.some((m) => isBeside(m, j) && certain[j]!.some((other) => isBeside(m, other)))
  // What comes first waits for least.
  const order = Array.from({ length: sites }, (_, j) => j)
  order.sort((a, b) => kept[a]!.length - kept[b]!.length || a - b)
  for (const j of order) {
    if (kept[j]!.length === certain[j]!.length) continue
    const isProven = (k: number) =>
      certain[j]!.includes(k) || certain[j]!.some((other) => kept[other]!.includes(k))
    kept[j] = kept[j]!.filter((k) => isProven(k) || !crosses(j, k) || byChance(j, k) >= TELLING)
  }
  return kept
}
