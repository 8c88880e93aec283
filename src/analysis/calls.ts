import type { Dictionary } from '../trace/dictionary.ts'
import { operationOf } from '../trace/operation.ts'

/**
 * Numbers of what spans do, whichever instance or version of their service: 53-bit hashes of text, so that they mean
 * the same in every dictionary and can be stored.
 */
export type Calls = {
  dictionary: Dictionary
  /** By shape: the component last met, and the number. Nearly every shape has one component. */
  lastComponent: number[]
  lastNumber: number[]
  /** By shape and component. */
  others: Map<number, number>
}

const known = new WeakMap<Dictionary, Calls>()

export function callsOf(dictionary: Dictionary): Calls {
  let calls = known.get(dictionary)
  if (calls === undefined) {
    calls = { dictionary, lastComponent: [], lastNumber: [], others: new Map() }
    known.set(dictionary, calls)
  }
  return calls
}

/** Of a span's kind, service, operation and component. */
export function callNumber(calls: Calls, shape: number, component: number): number {
  return calls.lastComponent[shape] === component
    ? calls.lastNumber[shape]!
    : anotherNumber(calls, shape, component)
}

function anotherNumber(calls: Calls, shape: number, component: number): number {
  const { lastComponent, lastNumber, others } = calls
  const pair = shape * 2 ** 26 + component
  let number = others.get(pair)
  if (number === undefined) {
    number = hashText(callText(calls, shape, component))
    others.set(pair, number)
  }
  while (lastComponent.length <= shape) {
    lastComponent.push(-1)
    lastNumber.push(0)
  }
  lastComponent[shape] = component
  lastNumber[shape] = number
  return number
}

function callText({ dictionary }: Calls, shape: number, component: number): string {
  const fields = dictionary.fields(shape)
  const { kind, name } = dictionary.components[component]!
  const operation = fields.dbSystem === '' ? operationOf(fields) : fields.querySummary || operationOf(fields)
  return `${fields.kind} ${fields.service} ${operation} [${kind} ${name}]`
}

/** 53 bits of a text: two multiplicative hashes of 32 bits, finished by murmur3's mixer. */
export function hashText(text: string): number {
  let a = 0x9747b28c
  let b = 0x2c1b3c6d
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b + code, 0x85ebca6b) ^ (b >>> 15)
  }
  return joined(mixed(a), mixed(b))
}

/** A number that depends on both and on their order. */
export function hashPair(one: number, other: number): number {
  const low = Math.imul((one | 0) ^ 0x9e3779b1, 0x85ebca6b) ^ (other | 0)
  const high = Math.imul((one / 2 ** 32) | 0, 0xc2b2ae35) ^ ((other / 2 ** 32) | 0)
  const a = mixed(low)
  return joined(a, mixed(high ^ Math.imul(a, 0x27d4eb2f)))
}

function joined(low: number, high: number): number {
  return (high >>> 11) * 2 ** 32 + (low >>> 0)
}

function mixed(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Uniform in (0, 1), always the same for the same words: draws that recomputing repeats. */
export function uniformOf(low: number, high: number, salt: number): number {
  return ((mixed(mixed(low ^ salt) ^ Math.imul(high, 0x9e3779b1)) >>> 0) + 0.5) / 2 ** 32
}
