import { TupleParam } from '@clickhouse/client'
import type { Scope } from '../analysis/bottlenecks.ts'
import type { Rollup, RollupKey } from '../analysis/rollup.ts'
import {
  type Cover,
  coverRange,
  keptDays,
  type Retention,
  STEPS,
  type StepsThere,
  type Stretch,
} from '../analysis/steps.ts'
import { createTurn } from '../turn.ts'
import { type NativeTable, readTables } from './native-table.ts'
import { REVISION } from './rollup-changes.ts'
import { columnsOf, createRowReader, type Frames, type RollupParts } from './rollup-rows.ts'
import { timesOf } from './rollup-times.ts'
import type { Store } from './store.ts'

/** '*' where nothing is asked for. */
export type RollupFilter = {
  environment: string
  namespace: string
  service: string
  operation: string
  scope: string
  /** service.version. */
  version: string
  /** Only these, where there are not too many to name; others may come as well. */
  endpoints?: readonly RollupKey[]
}

export const EVERYTHING: RollupFilter = {
  environment: '*',
  namespace: '*',
  service: '*',
  operation: '*',
  scope: '*',
  version: '*',
}

/** Where a row belongs. */
export type RowPlace = { step: number; bucket: number; key: RollupKey }

export const KEYS = ['Environment', 'Namespace', 'Service', 'Operation', 'Scope', 'ServiceVersion'] as const

/** In analyzer_state: from which epoch second on all rows of RECENT_STEPS have gone into recent_rollups too. */
export const RECENT_FROM = 'recent-rollups-from'
/** Steps up to this one are in recent_rollups. */
const RECENT_STEPS = 600
/** How far back it is read; an hour less than goes into it, for clocks that are apart. */
const RECENT_SECONDS = 2 * 3600

/** In analyzer_state: up to which epoch second a step's buckets have been built. */
export const builtName = (seconds: number) => `rollups-built-${seconds}`

/** What steps can be relied on now. */
export async function readSteps(store: Store, retention: Retention, nowMs: number): Promise<StepsThere> {
  const answer = await store.client.query({
    query: `SELECT Name, Value FROM analyzer_state FINAL
            WHERE startsWith(Name, 'rollups-built-') OR Name IN ('${REVISION}', '${RECENT_FROM}')`,
    format: 'JSONEachRow',
  })
  const states = new Map(
    (await answer.json<{ Name: string; Value: string }>()).map(({ Name, Value }) => [Name, Value]),
  )
  return {
    keptFrom: STEPS.map((step) => Math.floor(nowMs / 1000) - 86_400 * keptDays(step, retention)),
    builtTo: STEPS.map(({ seconds }, i) =>
      i === 0 ? Number.POSITIVE_INFINITY : Number(states.get(builtName(seconds)) ?? 0),
    ),
    revision: states.get(REVISION),
    recentFrom: Math.max(
      Number(states.get(RECENT_FROM) ?? Number.POSITIVE_INFINITY),
      Math.floor(nowMs / 1000) - RECENT_SECONDS,
    ),
  }
}

/** The buckets that are a range; longer ones than `longest` seconds are not used. */
export async function coverOf(
  store: Store,
  range: { fromMs: number; toMs: number },
  longest?: number,
): Promise<Cover> {
  return coverRange(range.fromMs, range.toMs, await readSteps(store, store.retention, Date.now()), longest)
}

/**
 * Rows of a cover, each handed to `visit` with a function that adds it to a rollup. Rows come in no order.
 */
export async function visitRollups(
  store: Store,
  { stretches, recentFrom = Number.POSITIVE_INFINITY }: Pick<Cover, 'stretches' | 'recentFrom'>,
  filter: RollupFilter,
  parts: RollupParts,
  frames: Frames,
  visit: (place: RowPlace, addTo: (rollup: Rollup, bucket?: { at: number; of: number }) => void) => void,
): Promise<void> {
  const { endpoints, ...fields } = filter
  const read = (from: string, stretches: readonly Stretch[]) =>
    store.queryNative(
      `SELECT Step, toUInt32(Bucket) AS BucketSeconds, ${[...KEYS, ...columnsOf(parts)].join(', ')}
       FROM ${from} FINAL
       WHERE ${conditionOf({ stretches }, filter)} AND Weight > 0 ${endpoints === undefined ? '' : endpointsIn(endpoints)}
       SETTINGS do_not_merge_across_partitions_select_final = 1`,
      { ...fields, ...(endpoints === undefined ? {} : endpointParams(endpoints)) },
    )
  const [recent, others] = splitRecent(stretches, recentFrom)
  const answers = await Promise.all([
    ...(others.length > 0 ? [read('rollups', others)] : []),
    ...(recent.length > 0 ? [read('recent_rollups', recent)] : []),
  ])
  const turn = createTurn()
  for (const bytes of answers) {
    for (const table of readTables(bytes)) {
      const addRow = createRowReader(table, parts, frames)
      const placeOf = placesOf(table)
      for (let row = 0; row < table.rows; row++) {
        if (turn.isOver()) await turn.pass()
        visit(placeOf(row), (rollup, bucket) => addRow(row, rollup, bucket))
      }
    }
  }
}

/** Stretches of what is read from recent_rollups, and of what is not. */
function splitRecent(
  stretches: readonly Stretch[],
  recentFrom: number,
): [recent: Stretch[], others: Stretch[]] {
  const [recent, others]: [Stretch[], Stretch[]] = [[], []]
  for (const stretch of stretches) {
    const { step, fromSeconds, toSeconds } = stretch
    const from = step > RECENT_STEPS ? toSeconds : Math.ceil(recentFrom / step) * step
    if (fromSeconds < from) others.push({ ...stretch, toSeconds: Math.min(toSeconds, from) })
    if (toSeconds > from) recent.push({ ...stretch, fromSeconds: Math.max(fromSeconds, from) })
  }
  return [recent, others]
}

export function conditionOf({ stretches }: { stretches: readonly Stretch[] }, filter: RollupFilter): string {
  const fields: [string, Exclude<keyof RollupFilter, 'endpoints'>][] = [
    ['Environment', 'environment'],
    ['Namespace', 'namespace'],
    ['Service', 'service'],
    ['Operation', 'operation'],
    ['Scope', 'scope'],
    ['ServiceVersion', 'version'],
  ]
  const wanted = fields
    .filter(([, field]) => filter[field] !== '*')
    .map(([column, field]) => `${column} = {${field}:String}`)
  return [timesOf(stretches), ...wanted].join(' AND ')
}

/** Where each row of an answer with `Step`, `BucketSeconds` and KEYS belongs. */
export function placesOf(table: NativeTable): (row: number) => RowPlace {
  const step = table.column('Step').values
  const bucket = table.column('BucketSeconds').values
  const [environment, namespace, service, operation, scope, version] = KEYS.map((name) => {
    const { values, texts } = table.column(name)
    return (row: number) => texts[values[row]!]!
  }) as ((row: number) => string)[]
  return (row) => ({
    step: step[row]!,
    bucket: bucket[row]!,
    key: {
      environment: environment!(row),
      namespace: namespace!(row),
      service: service!(row),
      operation: operation!(row),
      scope: scope!(row) as Scope,
      version: version!(row),
    },
  })
}

/** A range and what of it is asked for. */
export type RangeRollups = { cover: Cover; filter: RollupFilter }

/** One text for an endpoint and scope. */
export function endpointName({ environment, namespace, service, operation, scope }: RollupKey): string {
  return [environment, namespace, service, operation, scope].join('\n')
}

/**
 * Endpoints that a statement names at the most, and characters of their names: a URL has room for a megabyte, and a
 * backslash, escaped twice, is 12 bytes of it.
 */
const ENDPOINTS_NAMED = 400
const CHARACTERS_NAMED = 80_000

/** A condition for the endpoints named by `endpointParams`; none where they are too many. */
export function endpointsIn(keys: readonly RollupKey[]): string {
  if (!areNamed(distinct(keys))) return ''
  return `AND (Environment, Namespace, Service, Operation, Scope) IN
    {endpoints:Array(Tuple(String, String, String, String, String))}`
}

export function endpointParams(keys: readonly RollupKey[]): Record<string, TupleParam[]> {
  const named = distinct(keys)
  if (!areNamed(named)) return {}
  return {
    endpoints: named.map(
      (key) => new TupleParam([key.environment, key.namespace, key.service, key.operation, key.scope]),
    ),
  }
}

/** Endpoints in slices that a statement can name each, so that no more is read than is asked for. */
export function namedTogether(keys: readonly RollupKey[]): RollupKey[][] {
  const slices: RollupKey[][] = []
  let characters = 0
  for (const key of distinct(keys)) {
    const length = endpointName(key).length
    const slice = slices.at(-1)
    if (slice === undefined || slice.length === ENDPOINTS_NAMED || characters + length > CHARACTERS_NAMED) {
      slices.push([key])
      characters = length
    } else {
      slice.push(key)
      characters += length
    }
  }
  return slices
}

function areNamed(keys: readonly RollupKey[]): boolean {
  const characters = keys.reduce((sum, key) => sum + endpointName(key).length, 0)
  return keys.length <= ENDPOINTS_NAMED && characters <= CHARACTERS_NAMED
}

function distinct(keys: readonly RollupKey[]): RollupKey[] {
  return [...new Map(keys.map((key) => [endpointName(key), key])).values()]
}
