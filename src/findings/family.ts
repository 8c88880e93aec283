import { INTERNAL } from '../trace/span.ts'
import { OWN } from './calls.ts'
import { type Scan, WRAPPERS } from './scan.ts'

/**
 * The calls that a parent waits for, in span order, as columns: the call, the child of the parent that it is or that
 * wraps it, and its number (calls.ts). `times`: by number, how many of them there are.
 */
export type Family = {
  /** Whose it is, -1: nobody's. */
  parent: number
  count: number
  call: Int32Array
  child: Int32Array
  number: Int32Array
  times: Uint32Array
}

export function createFamily(): Family {
  return {
    parent: -1,
    count: 0,
    call: new Int32Array(64),
    child: new Int32Array(64),
    number: new Int32Array(64),
    times: new Uint32Array(64),
  }
}

/** The family of a parent in the root at hand; valid until another one is asked for. */
export function familyOf(scan: Scan, parent: number): Family {
  const { family, tree, index } = scan
  if (family.parent === parent) return family
  forgetFamily(family)
  family.parent = parent
  const first = tree.firstChild[parent]!
  const children = tree.live[parent]!
  if (children > family.call.length) grow(family, 2 * children)
  for (let slot = first; slot < first + children; slot++) {
    const child = tree.child[slot]!
    const call = callWithin(scan, child)
    if (call < 0) continue
    const number = index.callOf(tree, call)
    const at = family.count++
    family.call[at] = call
    family.child[at] = child
    family.number[at] = number
    if (number >= family.times.length) {
      const times = new Uint32Array(2 * index.calls.length)
      times.set(family.times)
      family.times = times
    }
    family.times[number]!++
  }
  return family
}

/** The root at hand is another one. */
export function forgetFamily(family: Family): void {
  for (let i = 0; i < family.count; i++) family.times[family.number[i]!] = 0
  family.parent = -1
  family.count = 0
}

/** The call that a child is or wraps, -1 if neither. */
function callWithin({ tree, index }: Scan, child: number): number {
  const { kind, live, component } = tree
  const roles = index.roles()
  let span = child
  for (let depth = 0; ; depth++) {
    if (roles[component[span]!] !== OWN) return span
    if (kind[span] !== INTERNAL || live[span] !== 1 || depth === WRAPPERS) return -1
    span = tree.child[tree.firstChild[span]!]!
  }
}

function grow(family: Family, length: number): void {
  family.call = new Int32Array(length)
  family.child = new Int32Array(length)
  family.number = new Int32Array(length)
}
