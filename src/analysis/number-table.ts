/**
 * Numbers from 0 on, up to 53 bits, each with its place in the order of adding. A Map of them would make an object of
 * every number that is looked up.
 */
export type NumberTable = {
  size: number
  /** By slot: a number, and its place; -1: the slot is free. */
  numbers: Float64Array
  places: Int32Array
}

export function createNumberTable(): NumberTable {
  return { size: 0, numbers: new Float64Array(64), places: new Int32Array(64).fill(-1) }
}

/** -1: not there. */
export function placeOfNumber(table: NumberTable, number: number): number {
  return table.places[slotOf(table, number)]!
}

/** Its place, a new one where it was not there. */
export function addNumber(table: NumberTable, number: number): number {
  let slot = slotOf(table, number)
  if (table.places[slot]! >= 0) return table.places[slot]!
  if (2 * table.size >= table.places.length) {
    widen(table)
    slot = slotOf(table, number)
  }
  table.numbers[slot] = number
  table.places[slot] = table.size
  return table.size++
}

/** Where it is, or where it would be. */
function slotOf({ numbers, places }: NumberTable, number: number): number {
  const mask = places.length - 1
  const mixed = Math.imul((number | 0) ^ Math.imul((number / 2 ** 32) | 0, 0x9e3779b1), 0x85ebca6b)
  let slot = (mixed ^ (mixed >>> 15)) & mask
  while (places[slot]! >= 0 && numbers[slot] !== number) slot = (slot + 1) & mask
  return slot
}

function widen(table: NumberTable): void {
  const { numbers, places } = table
  table.numbers = new Float64Array(2 * numbers.length)
  table.places = new Int32Array(2 * places.length).fill(-1)
  for (let i = 0; i < numbers.length; i++) {
    if (places[i]! < 0) continue
    const slot = slotOf(table, numbers[i]!)
    table.numbers[slot] = numbers[i]!
    table.places[slot] = places[i]!
  }
}
