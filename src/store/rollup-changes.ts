import { randomBytes } from 'node:crypto'
import type { Cover, Stretch } from '../analysis/steps.ts'
import { timesOf } from './rollup-times.ts'
import type { Store } from './store.ts'

/** In analyzer_state: another value whenever an analyzer has started; the one before may have ended between two steps. */
export const REVISION = 'rollups-revision'

/**
 * Says that buckets change. Called before and after their rows are written: who reads between the two remembers what it
 * read under a number that is not the last.
 */
export async function markChanged(store: Store, step: number, buckets: Iterable<number>): Promise<void> {
  await store.client.insert({
    table: 'rollup_changes',
    values: [...new Set(buckets)].map((bucket) => ({
      Step: step,
      Bucket: bucket,
      Number: randomBytes(8).readBigUInt64LE().toString(),
    })),
    format: 'JSONEachRow',
    // Spans are of any month where a clock is broken, or much is kept.
    clickhouse_settings: { max_partitions_per_insert_block: '0' },
  })
}

/** One text for the state of some buckets: another one whenever a row of them was written. */
export type Changes = (stretches: readonly Stretch[]) => string

const known = new WeakMap<readonly Stretch[], Promise<Changes>>()

/**
 * The state of the buckets of a cover's stretches, read once for all that is asked of this cover: a request makes its own,
 * and what it reads later than that is at least as new.
 */
export function changesOf(store: Store, { stretches, revision }: Pick<Cover, 'stretches' | 'revision'>) {
  let changes = known.get(stretches)
  if (changes === undefined) {
    changes = revision === undefined ? Promise.resolve(() => '') : readChanges(store, stretches)
    known.set(stretches, changes)
  }
  return changes
}

/** The state of the buckets of some stretches. Whatever is read later is at least as new. */
export async function readChanges(store: Store, stretches: readonly Stretch[]): Promise<Changes> {
  if (stretches.length === 0) return () => ''
  const answer = await store.client.query({
    query: `SELECT Step, toUInt32(Bucket), toString(sum(Number)) FROM rollup_changes
            WHERE ${timesOf(stretches)} GROUP BY Step, Bucket`,
    format: 'JSONCompactEachRow',
  })
  const steps = new Map<number, Map<number, string>>()
  for (const [step, bucket, number] of await answer.json<[number, number, string]>()) {
    const numbers = steps.get(step) ?? new Map<number, string>()
    steps.set(step, numbers)
    numbers.set(bucket, number)
  }
  return (stretches) => {
    const state: string[] = []
    for (const { step, fromSeconds, toSeconds } of stretches) {
      const numbers = steps.get(step)
      if (numbers === undefined) continue
      for (let bucket = fromSeconds; bucket < toSeconds; bucket += step) {
        const number = numbers.get(bucket)
        if (number !== undefined) state.push(number)
      }
    }
    return state.join(' ')
  }
}
