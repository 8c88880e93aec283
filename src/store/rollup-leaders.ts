import type { EndpointLeader } from '../analysis/leader-changes.ts'
import type { RollupKey } from '../analysis/rollup.ts'
import type { ComponentKind } from '../trace/component.ts'
import { createTurn } from '../turn.ts'
import { readTables } from './native-table.ts'
import { answerGroups } from './rollup-memory.ts'
import { conditionOf, endpointName, KEYS, placesOf, type RollupFilter } from './rollups.ts'
import type { Store } from './store.ts'

/** About what a row takes. */
const ROW_BYTES = 300

/** Who led each endpoint and version in each bucket of a step, those with traffic: an array a bucket, ascending. */
export async function readLeaders(
  store: Store,
  { step, fromSeconds, toSeconds }: { step: number; fromSeconds: number; toSeconds: number },
  revision: string | undefined,
  filter: RollupFilter,
): Promise<EndpointLeader[][]> {
  const buckets = Array.from({ length: (toSeconds - fromSeconds) / step }, (_, i) => fromSeconds + i * step)
  const groups = buckets.map((bucket) => [{ step, fromSeconds: bucket, toSeconds: bucket + step }])
  const { answers } = await answerGroups<EndpointLeader[]>(store, revision, groups, {
    name: `leaders\n${JSON.stringify(filter)}`,
    bytesOf: (rows) => ROW_BYTES * rows.length,
    async read(places) {
      const stretches = places.map((place) => groups[place]![0]!)
      const rows = await readRows(store, stretches, filter)
      return places.map((place) => rows.get(buckets[place]!) ?? [])
    },
  })
  return answers
}

async function readRows(
  store: Store,
  stretches: { step: number; fromSeconds: number; toSeconds: number }[],
  filter: RollupFilter,
): Promise<Map<number, EndpointLeader[]>> {
  const bytes = await store.queryNative(
    `SELECT Step, toUInt32(Bucket) AS BucketSeconds, ${KEYS.join(', ')}, toFloat64(Weight) AS Entries,
            toFloat64(Samples) AS Rows, P95Ns, LeaderKind,
            LeaderName, LeaderP95Ns
     FROM rollups FINAL WHERE ${conditionOf({ stretches }, filter)} AND Weight > 0
     SETTINGS do_not_merge_across_partitions_select_final = 1`,
    filter,
  )
  const rows = new Map<number, EndpointLeader[]>()
  const keys = new Map<string, RollupKey>()
  const turn = createTurn()
  for (const table of readTables(bytes)) {
    const placeOf = placesOf(table)
    const number = (name: string) => table.column(name).values
    const [weight, samples] = [number('Entries'), number('Rows')]
    const [p95Ns, leaderP95Ns] = [number('P95Ns'), number('LeaderP95Ns')]
    const [kinds, names] = [table.column('LeaderKind'), table.column('LeaderName')]
    for (let row = 0; row < table.rows; row++) {
      if (turn.isOver()) await turn.pass()
      const { bucket, key: own } = placeOf(row)
      const key = keyLike(keys, own)
      const kind = kinds.texts[kinds.values[row]!] as ComponentKind | ''
      const leader = kind === '' ? null : { kind, name: names.texts[names.values[row]!]! }
      const savedNs = leader === null ? 0 : p95Ns[row]! - leaderP95Ns[row]!
      const of = {
        key,
        atSeconds: bucket,
        weight: weight[row]!,
        samples: samples[row]!,
        leader,
        p95Ns: p95Ns[row]!,
        savedNs,
      }
      const known = rows.get(bucket)
      if (known === undefined) rows.set(bucket, [of])
      else known.push(of)
    }
  }
  return rows
}

/** One object for an endpoint and version. */
function keyLike(keys: Map<string, RollupKey>, key: RollupKey): RollupKey {
  const name = `${endpointName(key)}\n${key.version}`
  const known = keys.get(name)
  if (known === undefined) keys.set(name, key)
  return known ?? key
}
