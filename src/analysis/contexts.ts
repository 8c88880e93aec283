import type { SpanColumns } from '../trace/columns.ts'
import { type Calls, hashPair } from './calls.ts'

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
  /**
   * `above`: place of the parent's parent, -1: none. `callee`: shape of what a CLIENT reached, -1: it is none. The first
   * one of a trace (`above` -1) may find all places forgotten.
   */
  placeOf(above: number, shape: number, component: number, callee: number): number
}

/** Beyond so many contexts all are forgotten. */
const MOST_CONTEXTS = 100_000

export function createContexts(
  { dictionary }: SpanColumns,
  calls: Calls,
  wants: (context: number) => boolean,
): Contexts {
  let room = 1024
  let size = 0
  let slots = new Int32Array(2 * room).fill(-1)
  /** Four whole numbers a place. */
  let keys = new Int32Array(4 * room)
  const contexts: Contexts = {
    context: new Float64Array(room),
    call: new Float64Array(room),
    isWanted: new Uint8Array(room),
    placeOf(above, shape, component, callee) {
      if (above < 0 && size > MOST_CONTEXTS) {
        size = 0
        slots.fill(-1)
      }
      const slot = slotOf(above, shape, component, callee)
      return slots[slot]! >= 0 ? slots[slot]! : add(above, shape, component, callee)
    },
  }
  return contexts

  /** Where it is, or where it would be. */
  function slotOf(above: number, shape: number, component: number, callee: number): number {
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

  function add(above: number, shape: number, component: number, callee: number): number {
    if (size === room) widen()
    const { shapeComponent } = dictionary
    let number = calls.number(shape, component)
    // `GET` says little; what was reached says more.
    if (callee >= 0) number = hashPair(number, calls.number(callee, shapeComponent[callee]!))
    const place = size++
    keys.set([above, shape, component, callee], 4 * place)
    contexts.call[place] = number
    contexts.context[place] = hashPair(above < 0 ? 0 : contexts.context[above]!, number)
    contexts.isWanted[place] = wants(contexts.context[place]!) ? 1 : 0
    slots[slotOf(above, shape, component, callee)] = place
    return place
  }

  function widen(): void {
    room *= 2
    const { context, call, isWanted } = contexts
    contexts.context = new Float64Array(room)
    contexts.context.set(context)
    contexts.call = new Float64Array(room)
    contexts.call.set(call)
    contexts.isWanted = new Uint8Array(room)
    contexts.isWanted.set(isWanted)
    const before = keys
    keys = new Int32Array(4 * room)
    keys.set(before)
    slots = new Int32Array(2 * room).fill(-1)
    for (let place = 0; place < size; place++) {
      const at = 4 * place
      slots[slotOf(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!)] = place
    }
  }
}
