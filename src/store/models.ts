import { randomUUID } from 'node:crypto'
import { type Model, modelFromJson, modelToJson } from '../analysis/model.ts'
import { readState, writeState } from './analyzer-store.ts'
import type { Store } from './store.ts'

/** A model under the number that results record; 0 is none: the rules for one trace. `bytes`: of its stored form. */
export type PublishedModel = { number: number; model: Model; publishedMs: number; bytes: number }

/** The highest number ever given, also when its model has expired. */
const LAST_NUMBER = 'model-number'

/** The model published last; undefined if there is none, or its form is an older release's. */
export async function readNewestModel(store: Store): Promise<PublishedModel | undefined> {
  return readWhere(store, 'Version = (SELECT max(Version) FROM models)', 0)
}

/** undefined if there is none (any more), or its form is an older release's. */
export async function readModel(store: Store, number: number): Promise<PublishedModel | undefined> {
  return number === 0 ? undefined : readWhere(store, 'Version = {number:UInt64}', number)
}

async function readWhere(
  store: Store,
  condition: string,
  number: number,
): Promise<PublishedModel | undefined> {
  const answer = await store.client.query({
    query: `SELECT Version, toUnixTimestamp64Milli(PublishedAt) AS publishedMs, Model FROM models WHERE ${condition} LIMIT 1`,
    query_params: { number },
    format: 'JSONEachRow',
  })
  const [row] = await answer.json<{ Version: string; publishedMs: string; Model: string }>()
  if (row === undefined) return undefined
  try {
    const model = modelFromJson(row.Model)
    const publishedMs = Number(row.publishedMs)
    return { number: Number(row.Version), model, publishedMs, bytes: row.Model.length }
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/**
 * Publishes a model as the successor of number `after`, by compare-and-set: the number that follows is the insert's
 * deduplication token, so of several analyzers that publish the same number the store keeps one, and all read back
 * which. Returns what that number is now: the model given, or another's.
 */
export async function publishModel(store: Store, model: Model, after: number): Promise<PublishedModel> {
  const number = Math.max(after, Number((await readState(store, LAST_NUMBER)) ?? 0)) + 1
  await store.client.insert({
    table: 'models',
    values: [{ Version: String(number), Publisher: randomUUID(), Model: modelToJson(model) }],
    format: 'JSONEachRow',
    clickhouse_settings: { insert_deduplication_token: `model-${number}` },
  })
  await writeState(store, LAST_NUMBER, String(number), number)
  const published = await readModel(store, number)
  if (published === undefined) throw new Error(`model ${number} was published, but cannot be read`)
  return published
}

/** Models kept in memory, and bytes of their stored forms (they take some four times as much). */
const MOST_KEPT = 16
const MOST_BYTES = 16_000_000

type Kept = { bytes: number; model: Promise<Model | undefined> }
const keptOf = new WeakMap<Store, Map<number, Kept>>()

/** Models of a store by number, kept in memory: they never change. */
export function createModelCache(store: Store): (number: number) => Promise<Model | undefined> {
  const kept = keptOf.get(store) ?? new Map<number, Kept>()
  keptOf.set(store, kept)
  return (number) => {
    if (number === 0) return Promise.resolve(undefined)
    const known = kept.get(number)
    if (known !== undefined) return known.model
    const reading = readModel(store, number).then((published) => {
      added.bytes = published?.bytes ?? 0
      makeRoom(kept)
      return published?.model
    })
    const added: Kept = { bytes: 0, model: reading }
    kept.set(number, added)
    // A fault is the asker's; the next one asks again.
    reading.catch(() => kept.delete(number))
    return reading
  }
}

/** Those asked for first go first. */
function makeRoom(kept: Map<number, Kept>): void {
  let bytes = 0
  for (const one of kept.values()) bytes += one.bytes
  for (const [oldest, one] of kept) {
    if (kept.size === 1 || (kept.size <= MOST_KEPT && bytes <= MOST_BYTES)) return
    kept.delete(oldest)
    bytes -= one.bytes
  }
}
