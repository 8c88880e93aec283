import type { Logger } from 'pino'
import type { Store } from '../store/store.ts'
import { createRollupBuilder, type RollupBuilder, type RollupCounters } from './rollups.ts'

/** While traces keep being analyzed, rollups are rebuilt this often ... */
const BUSY_MS = 5000
/** ... but get no more than one part in so many of the time, so that a backlog is not added up again and again. */
const SHARE = 5
/** Where there is nothing to do, other analyzers' work is looked for this often, and buckets that are over built. */
const IDLE_MS = 30_000

/**
 * When rollups are rebuilt: soon after the last analysis, now and then between, and when what waits for it takes memory.
 * `goOn` throws once that is to end.
 */
export function createRollupSchedule(
  store: Store,
  log: Logger,
  counters: RollupCounters,
  goOn: () => void,
): Pick<RollupBuilder, 'add'> & { afterCycle(analyzed: boolean): Promise<void>; whenFull(): Promise<void> } {
  const builder = createRollupBuilder(store, log, counters, goOn)
  let pending = true
  let endedAt = 0
  let tookMs = 0
  const run = async () => {
    const startedAt = performance.now()
    await builder.run()
    endedAt = performance.now()
    tookMs = endedAt - startedAt
  }
  return {
    add: builder.add,
    async whenFull() {
      if (builder.condense()) await builder.runMinutes()
    },
    async afterCycle(analyzed) {
      pending ||= analyzed
      const sinceMs = performance.now() - endedAt
      const due = analyzed
        ? sinceMs >= Math.max(BUSY_MS, (SHARE - 1) * tookMs)
        : pending || sinceMs >= IDLE_MS
      if (!due) return
      await run()
      pending = false
    },
  }
}
