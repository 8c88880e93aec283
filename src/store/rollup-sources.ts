import type { Scope } from '../analysis/bottlenecks.ts'
import type { RollupKey } from '../analysis/rollup.ts'
import type { SampleTable } from '../analysis/rollup-samples.ts'
import type { Component, ComponentKind } from '../trace/component.ts'
import { type Column, type NativeTable, readTables, toNumbers } from './native-table.ts'
import type { Frames } from './rollup-rows.ts'
import { endpointName, endpointParams, endpointsIn } from './rollups.ts'
import type { Store } from './store.ts'

/** A bucket of an endpoint of which something has changed. `key.version` is ''. */
export type ChangedBucket = {
  bucket: number
  key: RollupKey
  /** bucketName of both. */
  name: string
  /** Changed rows; a fingerprint of them (of samples: printText); the least of their versions (microseconds). */
  rows: number
  print: string
  version: number
}

/** What some samples are known by: how many there are of which version. Of those of two sources both may be added up. */
export type SamplePrint = { rows: number; versions: bigint; squares: bigint }

export function addToPrint(print: SamplePrint, rows: number, version: number): void {
  const [count, of] = [BigInt(rows), BigInt(version)]
  print.rows += rows
  print.versions = BigInt.asUintN(64, print.versions + count * of)
  print.squares = BigInt.asUintN(64, print.squares + count * of * of)
}

export function printText({ rows, versions, squares }: SamplePrint): string {
  return `${rows} ${versions} ${squares}`
}

const ENDPOINT = 'Environment, Namespace, Service, Operation, Scope'
/** The same as printText, of stored samples. */
const PRINT = `concat(toString(count()), ' ', toString(sum(Version)), ' ', toString(sum(Version * Version)))`
const MINUTE_OF_START = 'toUInt32(intDiv(toUnixTimestamp64Nano(Start), 60000000000) * 60)'

/** Minutes with samples of a version from `since` on, deletions included. */
export function listChangedSamples(store: Store, since: number): Promise<ChangedBucket[]> {
  return listChanged(
    store,
    `SELECT ${MINUTE_OF_START} AS bucket, ${ENDPOINT}, count() AS rows,
            ${PRINT} AS print, min(Version) AS version
     FROM samples WHERE Version >= ${since} GROUP BY bucket, ${ENDPOINT}`,
  )
}

/** Buckets of `step` seconds with rollups of the next finer step of a version from `since` on. */
export function listChangedRollups(
  store: Store,
  since: number,
  finer: number,
  step: number,
): Promise<ChangedBucket[]> {
  return listChanged(
    store,
    `SELECT toUInt32(intDiv(toUnixTimestamp(Bucket), ${step}) * ${step}) AS bucket, ${ENDPOINT}, count() AS rows,
            toString(sum(cityHash64(Bucket, ServiceVersion, Version))) AS print, min(Version) AS version
     FROM rollups WHERE Step = ${finer} AND Version >= ${since} GROUP BY bucket, ${ENDPOINT}`,
  )
}

type ChangedRow = {
  bucket: number
  Environment: string
  Namespace: string
  Service: string
  Operation: string
  Scope: Scope
  rows: string
  print: string
  version: string
}

async function listChanged(store: Store, query: string): Promise<ChangedBucket[]> {
  const answer = await store.client.query({ query, format: 'JSONEachRow' })
  return (await answer.json<ChangedRow>()).map((row) => {
    const key = keyOf(row)
    return {
      bucket: row.bucket,
      key,
      name: bucketName(row.bucket, key),
      rows: Number(row.rows),
      print: row.print,
      version: Number(row.version),
    }
  })
}

function keyOf(
  row: Pick<ChangedRow, 'Environment' | 'Namespace' | 'Service' | 'Operation' | 'Scope'>,
): RollupKey {
  return {
    environment: row.Environment,
    namespace: row.Namespace,
    service: row.Service,
    operation: row.Operation,
    scope: row.Scope,
    version: '',
  }
}

/** Microseconds of the store's clock. */
export async function readStoreMicros(store: Store): Promise<number> {
  const answer = await store.client.query({
    query: 'SELECT toString(toUnixTimestamp64Micro(now64(6))) AS now',
    format: 'JSONEachRow',
  })
  return Number((await answer.json<{ now: string }>())[0]!.now)
}

/** Service versions that some buckets have rollups of, by bucketName. */
export async function readVersionsOf(
  store: Store,
  step: number,
  buckets: readonly ChangedBucket[],
): Promise<Map<string, string[]>> {
  const answer = await store.client.query({
    query: `SELECT toUInt32(Bucket) AS bucket, ${ENDPOINT}, groupArray(ServiceVersion) AS versions
            FROM rollups FINAL
            WHERE Step = ${step} AND Bucket IN (${bucketList(buckets)}) AND Weight > 0 ${endpointsIn(keysOf(buckets))}
            GROUP BY bucket, ${ENDPOINT}`,
    query_params: endpointParams(keysOf(buckets)),
    format: 'JSONEachRow',
  })
  const versions = new Map<string, string[]>()
  for (const row of await answer.json<Omit<ChangedRow, 'versions'> & { versions: string[] }>()) {
    versions.set(bucketName(row.bucket, keyOf(row)), row.versions)
  }
  return versions
}

export function bucketName(bucket: number, key: RollupKey): string {
  return `${bucket}\n${endpointName(key)}`
}

/** Samples of one block of an answer: where each belongs, and what is added up. */
export type SampleBlock = {
  rows: number
  bucketOf(row: number): number
  keyOf(row: number): RollupKey
  /** Whether it is of the same bucket and key as the row before. */
  isLikeBefore(row: number): boolean
  table: SampleTable
}

/** How many samples each of some minutes has, and their printText; rows that replace others count as well. */
export async function countSamples(
  store: Store,
  buckets: readonly ChangedBucket[],
): Promise<Map<string, { rows: number; print: string }>> {
  const answer = await store.client.query({
    query: `SELECT ${MINUTE_OF_START} AS bucket, ${ENDPOINT}, count() AS rows, ${PRINT} AS print FROM samples
            WHERE ${startWithin(buckets)} ${endpointsIn(keysOf(buckets))} GROUP BY bucket, ${ENDPOINT}`,
    query_params: endpointParams(keysOf(buckets)),
    format: 'JSONEachRow',
  })
  const counts = new Map<string, { rows: number; print: string }>()
  for (const row of await answer.json<ChangedRow>()) {
    counts.set(bucketName(row.bucket, keyOf(row)), { rows: Number(row.rows), print: row.print })
  }
  return counts
}

/** All samples of some minutes (and maybe of others): one reading. */
export async function readSampleBlocks(
  store: Store,
  buckets: readonly ChangedBucket[],
  frames: Frames,
): Promise<SampleBlock[]> {
  return store.queryLarge(
    `SELECT ${MINUTE_OF_START} AS Minute, ${ENDPOINT}, ServiceVersion,
            toUInt64(toUnixTimestamp64Nano(Start)) AS StartNs,
            reinterpretAsUInt64(reverse(unhex(substring(TraceId, 1, 16)))) AS TraceHigh,
            reinterpretAsUInt64(reverse(unhex(substring(TraceId, 17, 16)))) AS TraceLow,
            DurationNs, Weight, IsError, ComponentKinds, ComponentNames, CriticalNs, IfInstantNs, EarlierNs, LaterNs,
            ComponentCalls, NodeParents, NodeFrames, NodeNs, NodeCalls
     FROM samples FINAL WHERE ${startWithin(buckets)} ${endpointsIn(keysOf(buckets))}
     SETTINGS do_not_merge_across_partitions_select_final = 1`,
    endpointParams(keysOf(buckets)),
    (answer) => [...readTables(answer)].map((table) => sampleBlock(table, frames)),
  )
}

/** Samples of an answer, or of what is being stored. */
export function sampleBlock(table: NativeTable, frames: Frames): SampleBlock {
  const keys = ['Environment', 'Namespace', 'Service', 'Operation', 'Scope', 'ServiceVersion'].map((name) =>
    table.column(name),
  )
  const codes = keys.map(({ values }) => values)
  const texts = keys.map(
    ({ values, texts }) =>
      (row: number) =>
        texts[values[row]!]!,
  ) as [Text, Text, Text, Text, Text, Text]
  const kinds = table.column('ComponentKinds')
  const minutes = table.column('Minute').values
  const names = table.column('NodeFrames')
  return {
    rows: table.rows,
    bucketOf: (row) => minutes[row]!,
    isLikeBefore: (row) =>
      minutes[row] === minutes[row - 1] && codes.every((values) => values[row] === values[row - 1]),
    keyOf: (row) => ({
      environment: texts[0](row),
      namespace: texts[1](row),
      service: texts[2](row),
      operation: texts[3](row),
      scope: texts[4](row) as Scope,
      version: texts[5](row),
    }),
    table: {
      start: table.column('StartNs').words,
      traceHigh: table.column('TraceHigh').words,
      traceLow: table.column('TraceLow').words,
      durationNs: toNumbers(table.column('DurationNs')),
      weight: table.column('Weight').values,
      isError: table.column('IsError').values,
      componentEnds: kinds.ends!,
      ...componentsOf(kinds, table.column('ComponentNames')),
      criticalNs: toNumbers(table.column('CriticalNs')),
      ifInstantNs: toNumbers(table.column('IfInstantNs')),
      rangeEnds: table.column('EarlierNs').ends!,
      earlierNs: toNumbers(table.column('EarlierNs')),
      laterNs: toNumbers(table.column('LaterNs')),
      callEnds: table.column('ComponentCalls').ends!,
      calls: table.column('ComponentCalls').values,
      nodeEnds: table.column('NodeParents').ends!,
      nodes: {
        parents: table.column('NodeParents').values,
        frames: framesOf(names, frames),
        nsWords: table.column('NodeNs').words,
        calls: table.column('NodeCalls').values,
      },
    },
  }
}

type Text = (row: number) => string

function framesOf({ values, texts }: Column, frames: Frames): Uint32Array {
  // From 1; 0: not asked for yet. What no sample has is not numbered.
  const numbers = new Uint32Array(texts.length)
  const numbered = new Uint32Array(values.length)
  for (let i = 0; i < numbered.length; i++) {
    const code = values[i]!
    if (numbers[code] === 0) numbers[code] = 1 + frames.numberOf(texts[code]!)
    numbered[i] = numbers[code]! - 1
  }
  return numbered
}

/** Numbers for the pairs of kind and name. */
function componentsOf(
  kinds: Column,
  names: Column,
): { component: ArrayLike<number>; components: Component[] } {
  // What is being stored has one code for both.
  if (kinds.values === names.values) {
    const components = kinds.texts.map((kind, i) => ({ kind: kind as ComponentKind, name: names.texts[i]! }))
    return { component: kinds.values, components }
  }
  const components: Component[] = []
  const known = new Map<number, number>()
  const component = new Uint32Array(kinds.values.length)
  for (let i = 0; i < component.length; i++) {
    const code = kinds.values[i]! * 2 ** 32 + names.values[i]!
    let number = known.get(code)
    if (number === undefined) {
      const kind = kinds.texts[kinds.values[i]!] as ComponentKind
      number = components.push({ kind, name: names.texts[names.values[i]!]! }) - 1
      known.set(code, number)
    }
    component[i] = number
  }
  return { component, components }
}

function bucketList(buckets: readonly ChangedBucket[]): string {
  return [...new Set(buckets.map(({ bucket }) => bucket))].map((s) => `toDateTime(${s}, 'UTC')`).join(', ')
}

/** Of minutes: bounds for the index, then each by itself. */
function startWithin(buckets: readonly ChangedBucket[]): string {
  const minutes = [...new Set(buckets.map(({ bucket }) => bucket))].sort((a, b) => a - b)
  const time = (seconds: number) => `fromUnixTimestamp64Milli(toInt64(${seconds * 1000}))`
  return `Start >= ${time(minutes[0]!)} AND Start < ${time(minutes.at(-1)! + 60)} AND ${MINUTE_OF_START} IN (${minutes.join(', ')})`
}

function keysOf(buckets: readonly ChangedBucket[]): RollupKey[] {
  return buckets.map(({ key }) => key)
}
