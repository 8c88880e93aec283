import { createColumns, type SpanColumns } from '../trace/columns.ts'
import { createDictionary } from '../trace/dictionary.ts'
import { closeRun, mergeRuns, type SpanRun, writeRun } from './span-run.ts'
import { createSpanTable, type SpanTable } from './span-table.ts'

/**
 * Spans of all files, in memory while they are few, else in temporary files by trace id: a million spans take 75 MB here
 * (twice that while columns grow) and some 200 MB to analyze.
 */
export type SpanSpool = {
  sink: SpanTable
  /** To be called now and then while reading: spills if there is too much. */
  relieve(): void
  spanCount(): number
  /**
   * Whole traces, some at a time; of spilled spans in the order of trace ids. The columns yielded are overwritten by
   * the next ones. May be called again.
   */
  batches(): Iterable<SpanColumns>
  /** Lets go of the temporary files. */
  close(): void
}

const SPANS_IN_MEMORY = 1_000_000
const SPANS_AT_ONCE = 500_000

export function createSpanSpool(spansInMemory = SPANS_IN_MEMORY, spansAtOnce = SPANS_AT_ONCE): SpanSpool {
  const columns = createColumns(createDictionary(), 16 * 1024)
  const table = createSpanTable(columns)
  const runs: SpanRun[] = []

  return {
    sink: table,
    relieve() {
      if (columns.count - table.unsettled() >= spansInMemory) spill()
    },
    spanCount: () => runs.reduce((sum, run) => sum + run.rows, columns.count),
    *batches() {
      if (runs.length === 0) {
        yield columns
        return
      }
      if (columns.count > 0) spill()
      // What is merged takes less room than what was read; a batch ends with a whole trace.
      Object.assign(columns, createColumns(columns.dictionary, Math.ceil(1.05 * spansAtOnce)))
      yield* mergeRuns(runs, columns, spansAtOnce)
    },
    close() {
      for (const run of runs.splice(0)) closeRun(run)
    },
  }

  function spill(): void {
    const rows = columns.count - table.unsettled()
    runs.push(writeRun(columns, rows))
    table.forget(rows)
  }
}
