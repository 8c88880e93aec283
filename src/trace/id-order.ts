import { FEW } from './deal.ts'
import type { TraceTree } from './tree.ts'

/** So many spans, or fewer, are dealt out by their ids at once. */
const MANY = 2048
/** Of the spans at hand, in the order they come in: ids, and which part those are in. */
const ids = new Float64Array(MANY)
const parts = new Int32Array(MANY)
/** By part: how many, then where the next one goes. */
const places = new Int32Array(2 * MANY)
const dealtIds = new Float64Array(MANY)

/** As much of a span's id as one number holds exactly, while loading: `scratch2` has rows. */
export function idOf({ scratch2: rows, spans }: TraceTree, span: number): number {
  const words = 2 * rows[span]!
  return spans.spanId[words + 1]! * 2 ** 21 + (spans.spanId[words]! >>> 11)
}

/**
 * Sorts `order[from..to)` by `idOf`. Ids are random as a rule: dealt out to more parts than there are spans, they are
 * nearly in order. Stable. False: they are too many, crowd in few parts, or some are equal.
 */
export function sortById(tree: TraceTree, from: number, to: number): boolean {
  const { order, child: dealt } = tree
  const count = to - from
  if (count > MANY) return false
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < count; i++) {
    const id = idOf(tree, order[from + i]!)
    ids[i] = id
    if (id < least) least = id
    if (id > most) most = id
  }
  if (least === most) return count < 2
  const partCount = 1 << (32 - Math.clz32(count))
  const perUnit = (partCount - 1) / (most - least)
  places.fill(0, 0, partCount)
  for (let i = 0; i < count; i++) {
    const its = ((ids[i]! - least) * perUnit) | 0
    parts[i] = its
    places[its]!++
  }
  let crowd = 0
  for (let part = 0, next = 0; part < partCount; part++) {
    const its = places[part]!
    if (its > crowd) crowd = its
    places[part] = next
    next += its
  }
  if (crowd > FEW) return false
  for (let i = 0; i < count; i++) {
    const at = places[parts[i]!]!++
    dealt[at] = order[from + i]!
    dealtIds[at] = ids[i]!
  }
  let different = true
  for (let i = 0; i < count; i++) {
    const id = dealtIds[i]!
    let into = i
    for (; into > 0 && dealtIds[into - 1]! > id; into--) {
      dealtIds[into] = dealtIds[into - 1]!
      order[from + into] = order[from + into - 1]!
    }
    if (into > 0 && dealtIds[into - 1] === id) different = false
    dealtIds[into] = id
    order[from + into] = dealt[i]!
  }
  return different
}
