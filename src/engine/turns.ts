import { RefusedStatement } from './refused.ts'

/** Those that may wait in each line. */
const WAITING = 256

export type Turns = {
  /** Waits for a turn. @throws RefusedStatement where too many wait already */
  take(): Promise<void>
  giveBack(): void
}

/** Lets `limit` go on at a time; others wait in line. */
export function createTurns(limit: number): Turns {
  let running = 0
  const line: (() => void)[] = []
  return {
    async take() {
      if (running < limit) {
        running++
        return
      }
      if (line.length >= WAITING) {
        throw new RefusedStatement('Too many simultaneous queries', 202, 'TOO_MANY_SIMULTANEOUS_QUERIES')
      }
      // The turn is handed on.
      await new Promise<void>((resolve) => line.push(resolve))
    },
    giveBack() {
      const next = line.shift()
      if (next === undefined) running--
      else next()
    },
  }
}
