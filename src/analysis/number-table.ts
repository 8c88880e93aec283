/**
 * Numbers from 0 on, up to 53 bits, each with its place in the order of adding. A Map of them would make an object of
 * every number that is looked up.
 */
export type NumberTable = {
  readonly size: number
  /** -1: not there. */
  placeOf(number: number): number
  /** Its place, a new one where it was not there. */
  add(number: number): number
}

export function createNumberTable(): NumberTable {
  let numbers = new Float64Array(64)
  let places = new Int32Array(64).fill(-1)
  let size = 0
  return {
    get size() {
      return size
    },
    placeOf: (number) => places[slotOf(number)]!,
    add(number) {
      let slot = slotOf(number)
      if (places[slot]! >= 0) return places[slot]!
      if (2 * size >= places.length) {
        widen()
        slot = slotOf(number)
      }
      numbers[slot] = number
      places[slot] = size
      return size++
    },
  }

  /** Where it is, or where it would be. */
  function slotOf(number: number): number {
    const mask = places.length - 1
    const mixed = Math.imul((number | 0) ^ Math.imul((number / 2 ** 32) | 0, 0x9e3779b1), 0x85ebca6b)
    let slot = (mixed ^ (mixed >>> 15)) & mask
    while (places[slot]! >= 0 && numbers[slot] !== number) slot = (slot + 1) & mask
    return slot
  }

  function widen(): void {
    const [before, placesBefore] = [numbers, places]
    numbers = new Float64Array(2 * before.length)
    places = new Int32Array(2 * before.length).fill(-1)
    for (let i = 0; i < before.length; i++) {
      if (placesBefore[i]! < 0) continue
      const slot = slotOf(before[i]!)
      numbers[slot] = before[i]!
      places[slot] = placesBefore[i]!
    }
  }
}
