import { type Calls, callNumber, hashPair } from './calls.ts'

/**
 * Contexts of parents: one's own call and those above it, as places from 0 on. To find a place by the four whole numbers
 * that lead to it takes a fraction of hashing the calls' 53 bits anew for every span.
 */
export type Contexts = {
  /** By place: number of the context, and of the parent's own call. Replaced as they grow. */
  context: Float64Array
  call: Float64Array
  /** 1: the caller's question was answered yes for its number. */
  isWanted: Uint8Array
  calls: Calls
  wants: (context: number) => boolean
  size: number
  /** Places by hash, -1: free. */
  slots: Int32Array
  /** Four whole numbers a place. */
  keys: Int32Array
}

/** Beyond so many contexts all are forgotten. */
const MOST_CONTEXTS = 100_000
const ROOM = 1024

export function createContexts(calls: Calls, wants: (context: number) => boolean): Contexts {
  return {
    context: new Float64Array(ROOM),
    call: new Float64Array(ROOM),
    isWanted: new Uint8Array(ROOM),
    calls,
    wants,
    size: 0,
    slots: new Int32Array(2 * ROOM).fill(-1),
    keys: new Int32Array(4 * ROOM),
  }
}

/**
 * `above`: place of the parent's parent, -1: none. `callee`: shape of what a CLIENT reached, -1: it is none. The first
 * one of a trace (`above` -1) may find all places forgotten.
 */
export function placeOfContext(
  contexts: Contexts,
  above: number,
  shape: number,
  component: number,
  callee: number,
): number {
  if (above < 0 && contexts.size > MOST_CONTEXTS) {
    contexts.size = 0
    contexts.slots.fill(-1)
  }
  const place = contexts.slots[slotOf(contexts, above, shape, component, callee)]!
  return place >= 0 ? place : add(contexts, above, shape, component, callee)
}

/** Where it is, or where it would be. */
function slotOf(
  { slots, keys }: Contexts,
  above: number,
  shape: number,
  component: number,
  callee: number,
): number {
  const mask = slots.length - 1
  let mixed = Math.imul(above, 0x9e3779b1) ^ Math.imul(shape, 0x85ebca6b)
  mixed ^= Math.imul(component, 0xc2b2ae35) ^ Math.imul(callee, 0x27d4eb2f)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  let slot = (mixed ^ (mixed >>> 13)) & mask
  for (let place = slots[slot]!; place >= 0; place = slots[slot]!) {
    const at = 4 * place
    if (
      keys[at] === above &&
      keys[at + 1] === shape &&
      keys[at + 2] === component &&
      keys[at + 3] === callee
    ) {
      break
    }
    slot = (slot + 1) & mask
  }
  return slot
}

function add(contexts: Contexts, above: number, shape: number, component: number, callee: number): number {
  if (contexts.size === contexts.context.length) widen(contexts)
  const { calls, keys, context, call } = contexts
  let number = callNumber(calls, shape, component)
  // `GET` says little; what was reached says more.
  if (callee >= 0) {
    number = hashPair(number, callNumber(calls, callee, calls.dictionary.shapeComponent[callee]!))
  }
  const place = contexts.size++
  keys.set([above, shape, component, callee], 4 * place)
  call[place] = number
  context[place] = hashPair(above < 0 ? 0 : context[above]!, number)
  contexts.isWanted[place] = contexts.wants(context[place]!) ? 1 : 0
  contexts.slots[slotOf(contexts, above, shape, component, callee)] = place
  return place
}

function widen(contexts: Contexts): void {
  const { context, call, isWanted, keys, size } = contexts
  const room = 2 * context.length
  contexts.context = new Float64Array(room)
  contexts.context.set(context)
  contexts.call = new Float64Array(room)
  contexts.call.set(call)
  contexts.isWanted = new Uint8Array(room)
  contexts.isWanted.set(isWanted)
  contexts.keys = new Int32Array(4 * room)
  contexts.keys.set(keys)
  contexts.slots = new Int32Array(2 * room).fill(-1)
  for (let place = 0; place < size; place++) {
    const [above, shape, component, callee] = keys.subarray(4 * place, 4 * place + 4)
    contexts.slots[slotOf(contexts, above!, shape!, component!, callee!)] = place
  }
}
