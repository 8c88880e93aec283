import { setImmediate } from 'node:timers/promises'

/** So long others of the thread wait at the most. */
const TURN_MS = 10

/** A long piece of work in turns: `if (turn.isOver()) await turn.pass()`. */
export type Turn = { isOver(): boolean; pass(): Promise<void> }

export function createTurn(): Turn {
  let sinceMs = performance.now()
  return {
    isOver: () => performance.now() - sinceMs >= TURN_MS,
    async pass() {
      await setImmediate()
      sinceMs = performance.now()
    },
  }
}
