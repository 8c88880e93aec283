import { TupleParam } from '@clickhouse/client'
import type { Scope } from '../analysis/bottlenecks.ts'
import { addRollup, createRollup, type Rollup, type RollupKey } from '../analysis/rollup.ts'
import {
  type Cover,
  coverRange,
  keptDays,
  type Retention,
  STEPS,
  type StepsThere,
  stepWithin,
} from '../analysis/steps.ts'
import { type NativeTable, readTables } from './native-table.ts'
import { REMEMBERED_FROM, REVISION, remember } from './remembered-rollups.ts'
import { columnsOf, createFrames, createRowReader, type Frames, type RollupParts } from './rollup-rows.ts'
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

const KEYS = ['Environment', 'Namespace', 'Service', 'Operation', 'Scope', 'ServiceVersion'] as const

/** In analyzer_state: up to which epoch second a step's buckets have been built. */
export const builtName = (seconds: number) => `rollups-built-${seconds}`

/** What steps can be relied on now. */
export async function readSteps(store: Store, retention: Retention, nowMs: number): Promise<StepsThere> {
  const answer = await store.client.query({
    query: `SELECT Name, Value FROM analyzer_state FINAL
            WHERE startsWith(Name, 'rollups-built-') OR Name = '${REVISION}'`,
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
  cover: Pick<Cover, 'stretches'>,
  filter: RollupFilter,
  parts: RollupParts,
  frames: Frames,
  visit: (place: RowPlace, addTo: (rollup: Rollup, bucket?: { at: number; of: number }) => void) => void,
): Promise<void> {
  const { endpoints, ...fields } = filter
  const bytes = await store.queryNative(
    `SELECT Step, toUInt32(Bucket) AS BucketSeconds, ${[...KEYS, ...columnsOf(parts)].join(', ')}
     FROM rollups FINAL
     WHERE ${conditionOf(cover, filter)} AND Weight > 0 ${endpoints === undefined ? '' : endpointsIn(endpoints)}
     SETTINGS do_not_merge_across_partitions_select_final = 1`,
    { ...fields, ...(endpoints === undefined ? {} : endpointParams(endpoints)) },
  )
  for (const table of readTables(bytes)) {
    const addRow = createRowReader(table, parts, frames)
    const placeOf = placesOf(table)
    for (let row = 0; row < table.rows; row++) {
      visit(placeOf(row), (rollup, bucket) => addRow(row, rollup, bucket))
    }
  }
}

export function conditionOf({ stretches }: Pick<Cover, 'stretches'>, filter: RollupFilter): string {
  const times = stretches.map(
    ({ step, fromSeconds, toSeconds }) =>
      `(Step = ${step} AND Bucket >= toDateTime(${fromSeconds}, 'UTC') AND Bucket < toDateTime(${toSeconds}, 'UTC'))`,
  )
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
  return [`(${times.join(' OR ')})`, ...wanted].join(' AND ')
}

function placesOf(table: NativeTable): (row: number) => RowPlace {
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

/** Endpoints and scopes of a range, by environment, namespace, service, operation, scope (`trace` first). */
export async function listEndpoints(
  store: Store,
  cover: Pick<Cover, 'stretches'>,
  filter: RollupFilter,
): Promise<RollupKey[]> {
  const answer = await store.client.query({
    query: `SELECT DISTINCT Environment AS environment, Namespace AS namespace, Service AS service,
                   Operation AS operation, Scope AS scope, '' AS version
            FROM rollups FINAL WHERE ${conditionOf(cover, filter)} AND Weight > 0
            ORDER BY environment, namespace, service, operation, scope DESC
            SETTINGS do_not_merge_across_partitions_select_final = 1`,
    query_params: filter,
    format: 'JSONEachRow',
  })
  return answer.json<RollupKey>()
}

export type EndpointRollup = { key: RollupKey; rollup: Rollup }

/** A range's rollup of every endpoint and scope, all versions together (`key.version` is ''). */
export async function readEndpointRollups(
  store: Store,
  cover: Pick<Cover, 'stretches' | 'revision'>,
  filter: RollupFilter,
  parts: RollupParts,
): Promise<EndpointRollup[]> {
  const long = cover.stretches.filter(({ step }) => step >= REMEMBERED_FROM)
  const short = cover.stretches.filter(({ step }) => step < REMEMBERED_FROM)
  const read = (stretches: Cover['stretches']) =>
    stretches.length === 0 ? [] : readByEndpoint(store, { stretches }, filter, parts)
  const [remembered, fresh] = await Promise.all([
    remember(store, cover.revision, JSON.stringify([long, filter, parts]), async () => read(long)),
    read(short),
  ])
  const byKey = new Map(fresh.map((of) => [endpointName(of.key), of]))
  for (const { key, rollup } of remembered) {
    const known = byKey.get(endpointName(key))
    // What is remembered stays as it is.
    const sum = known ?? { key, rollup: createRollup() }
    addRollup(sum.rollup, rollup)
    if (known === undefined) byKey.set(endpointName(key), sum)
  }
  return [...byKey.values()]
}

async function readByEndpoint(
  store: Store,
  cover: Pick<Cover, 'stretches'>,
  filter: RollupFilter,
  parts: RollupParts,
): Promise<EndpointRollup[]> {
  const byKey = new Map<string, EndpointRollup>()
  await visitRollups(store, cover, filter, parts, createFrames(), ({ key }, addTo) => {
    const name = endpointName(key)
    let known = byKey.get(name)
    if (known === undefined) {
      known = { key: { ...key, version: '' }, rollup: createRollup() }
      byKey.set(name, known)
    }
    addTo(known.rollup)
  })
  return [...byKey.values()]
}

/** One text for an endpoint and scope. */
export function endpointName({ environment, namespace, service, operation, scope }: RollupKey): string {
  return [environment, namespace, service, operation, scope].join('\n')
}

/** Endpoints that a statement names at the most. */
const ENDPOINTS_NAMED = 400

/** A condition for the endpoints named by `endpointParams`; none where they are too many. */
export function endpointsIn(keys: readonly RollupKey[]): string {
  if (distinct(keys).length > ENDPOINTS_NAMED) return ''
  return `AND (Environment, Namespace, Service, Operation, Scope) IN
    {endpoints:Array(Tuple(String, String, String, String, String))}`
}

export function endpointParams(keys: readonly RollupKey[]): Record<string, TupleParam[]> {
  const named = distinct(keys)
  if (named.length > ENDPOINTS_NAMED) return {}
  return {
    endpoints: named.map(
      (key) => new TupleParam([key.environment, key.namespace, key.service, key.operation, key.scope]),
    ),
  }
}

function distinct(keys: readonly RollupKey[]): RollupKey[] {
  return [...new Map(keys.map((key) => [endpointName(key), key])).values()]
}

/** Rows that are read at the most where a range is cut into buckets. */
const MOST_ROWS = 8000

/** A range cut into buckets of equal length, snapped outward to them. */
export type Windows = RangeRollups & { seconds: number }

/**
 * Cuts a range into no more than `most` buckets, fewer where many endpoints are asked for; `wanted` seconds, or longer
 * where no step so short is kept.
 */
export async function cutRange(
  store: Store,
  range: { fromMs: number; toMs: number },
  filter: RollupFilter,
  most: number,
  wanted?: number,
): Promise<Windows> {
  const there = await readSteps(store, store.retention, Date.now())
  let seconds = stepWithin(range.fromMs, range.toMs, there, most)
  if (wanted !== undefined) seconds = Math.max(wanted, stepWithin(range.fromMs, range.toMs, there, Infinity))
  else {
    const endpoints = await countEndpoints(store, coverRange(range.fromMs, range.toMs, there), filter)
    seconds = Math.max(
      seconds,
      stepWithin(range.fromMs, range.toMs, there, Math.max(1, MOST_ROWS / Math.max(1, endpoints))),
    )
  }
  const windowMs = 1000 * seconds
  const fromMs = Math.floor(range.fromMs / windowMs) * windowMs
  const toMs = Math.ceil(range.toMs / windowMs) * windowMs
  return { cover: coverRange(fromMs, toMs, there, seconds), filter, seconds }
}

async function countEndpoints(store: Store, cover: Cover, filter: RollupFilter): Promise<number> {
  const answer = await store.client.query({
    query: `SELECT uniqExact(Environment, Namespace, Service, Operation, Scope) AS endpoints FROM rollups
            WHERE ${conditionOf(cover, filter)}`,
    query_params: filter,
    format: 'JSONEachRow',
  })
  return Number((await answer.json<{ endpoints: string }>())[0]!.endpoints)
}

/** The rollup of each bucket of a cut range, all endpoints together, by the second it begins; empty ones are left out. */
export async function readWindows(
  store: Store,
  { cover, filter, seconds }: Windows,
  parts: RollupParts,
): Promise<Map<number, Rollup>> {
  const windows = new Map<number, Rollup>()
  await visitRollups(store, cover, filter, parts, createFrames(), ({ step, bucket }, addTo) => {
    const from = Math.floor(bucket / seconds) * seconds
    let rollup = windows.get(from)
    if (rollup === undefined) {
      rollup = createRollup()
      windows.set(from, rollup)
    }
    addTo(rollup, { at: (bucket - from) / step, of: seconds / step })
  })
  return new Map([...windows].sort(([a], [b]) => a - b))
}
