import { appendRows, createColumns, type SpanColumns } from '../trace/columns.ts'
import { createDictionary } from '../trace/dictionary.ts'
import { groupByTrace } from '../trace/group.ts'
import { countStored, readStored } from './analyzer-store.ts'
import type { SampleFilter } from './sample-filter.ts'
import type { Store } from './store.ts'

/** Spans that are looked at; of more, a share of the traces (by trace id, so whole ones). */
const SPANS = 300_000

/** Whole traces whose spans were stored in the range, and what share of all they are. */
export async function readInput(
  store: Store,
  { fromMs, toMs, environment, namespace, service }: SampleFilter,
): Promise<{ spans: SpanColumns; share: number }> {
  const stored = await countStored(store, fromMs - 1, toMs)
  const parts = Math.max(1, Math.ceil(stored.reduce((sum, { rows }) => sum + rows, 0) / SPANS))
  const dictionary = createDictionary()
  const spans = await readStored(store, dictionary, { fromMs: fromMs - 1, toMs, share: parts })
  const wanted = { environment, namespace, service }
  if (Object.values(wanted).every((value) => value === '*')) return { spans, share: 1 / parts }

  const isWanted = (row: number) => {
    const fields = dictionary.fields(spans.shape[row]!)
    return Object.entries(wanted).every(
      ([name, value]) => value === '*' || fields[name as keyof typeof wanted] === value,
    )
  }
  const kept = createColumns(dictionary)
  const { count, rows, first } = groupByTrace(spans)
  for (let trace = 0; trace < count; trace++) {
    const mine = rows.subarray(first[trace]!, first[trace + 1]!)
    if (mine.some(isWanted)) appendRows(kept, spans, mine)
  }
  return { spans: kept, share: 1 / parts }
}

/** Samples of the range that are stored under `(other)`, because their service has too many endpoints. */
export async function countCapped(store: Store, { fromMs, toMs }: SampleFilter): Promise<number> {
  const answer = await store.client.query({
    query: `SELECT count() AS capped FROM samples FINAL
            WHERE Operation = '(other)' AND Start >= fromUnixTimestamp64Milli({fromMs:Int64})
              AND Start < fromUnixTimestamp64Milli({toMs:Int64})`,
    query_params: { fromMs, toMs },
    format: 'JSONEachRow',
  })
  return Number((await answer.json<{ capped: string }>())[0]!.capped)
}
