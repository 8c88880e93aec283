import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { pino } from 'pino'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { readMigrations } from '../../src/store/migrate.ts'
import { openStore, type Store, type StoreOptions } from '../../src/store/store.ts'
import { newDirectory } from './directory.ts'

export const quiet = pino({ level: 'silent' })

export type TestEngine = { url: string; engine: Engine | undefined; dataDir: string; stop(): Promise<void> }

/** The server of LONGPOLE_CLICKHOUSE_URL, else an embedded engine with a directory of its own. */
export async function startTestEngine(): Promise<TestEngine> {
  const url = process.env.LONGPOLE_CLICKHOUSE_URL
  if (url) return { url, engine: undefined, dataDir: '', stop: async () => {} }
  const dataDir = newDirectory()
  const engine = await startEngine({ dataDir, host: '127.0.0.1', port: 0, log: quiet })
  return {
    url: engine.url,
    engine,
    dataDir,
    async stop() {
      await engine.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

let shared: Promise<TestEngine> | undefined

/** One for all files of a worker, with which it ends; its directory goes with the run's. */
export function sharedEngine(): Promise<TestEngine> {
  if (shared === undefined) {
    shared = startTestEngine()
    // Whoever runs this worker was killed: nobody else ends it, as long as it has an engine.
    process.once('disconnect', () => process.exit(1))
  }
  return shared
}

export type TestStore = Store & { url: string; database: string }

/** Databases that nobody uses any more, by engine: the schema of a new one takes more than a second of a core. */
const left = new Map<string, string[]>()

/** A store as the schema leaves it, in a database that nobody else uses; of the shared engine unless another is named. */
export async function openTestStore(
  engineUrl?: string,
  retentionDays = 7,
  spool?: StoreOptions['spool'],
): Promise<TestStore> {
  const url = engineUrl ?? (await sharedEngine()).url
  const databases = left.get(url) ?? []
  left.set(url, databases)
  const used = databases.pop()
  const database = used ?? `test_${randomBytes(6).toString('hex')}`
  const store = openStore({ url, database, retentionDays, rollupRetentionDays: 400, spool, log: quiet })
  if (used !== undefined) await emptyStore(store)
  await store.migrate()
  const schema = await schemaOf(store)
  let isOpen = true
  return {
    ...store,
    url,
    database,
    async close() {
      // A test may have changed the tables, or taken the engine away.
      if (isOpen && (await schemaOf(store).catch(() => '')) === schema) databases.push(database)
      isOpen = false
      await store.close()
    },
  }
}

async function schemaOf({ client }: Store): Promise<string> {
  const query = `SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() ORDER BY name`
  return (await client.query({ query, format: 'TabSeparated' })).text()
}

/** Takes the rows out of every table, but for those of the schema itself: cheaper than a fresh database. */
export async function emptyStore({ client }: Store): Promise<void> {
  const answer = await client.query({
    query: `SELECT name FROM system.tables WHERE database = currentDatabase() AND total_rows > 0
      AND engine LIKE '%MergeTree' AND name != 'schema_migrations'`,
    format: 'JSONEachRow',
  })
  const tables = await answer.json<{ name: string }>()
  await Promise.all(tables.map(({ name }) => client.command({ query: `TRUNCATE TABLE ${name}` })))
  for (const query of SCHEMA_ROWS) await client.command({ query })
}

const SCHEMA_ROWS = readMigrations()
  .flatMap(({ statements }) => statements)
  .filter((statement) => /^\s*INSERT/m.test(statement))

/** A span to put into otel_traces the way a Collector's exporter would: without our columns. */
export type CollectorSpan = {
  TraceId: string
  SpanId: string
  ParentSpanId?: string
  SpanName?: string
  SpanKind?: string
  ServiceName?: string
  /** Epoch ns. */
  startNs: bigint
  durationNs?: number
  StatusCode?: string
  ResourceAttributes?: Record<string, string>
  SpanAttributes?: Record<string, string>
  extra?: Record<string, unknown>
}

export async function insertCollectorSpans(store: Store, spans: readonly CollectorSpan[]): Promise<void> {
  await store.client.insert({
    table: 'otel_traces',
    values: spans.map(({ startNs, durationNs, extra, ...span }) => ({
      ParentSpanId: '',
      TraceState: '',
      SpanName: 'work',
      SpanKind: 'Internal',
      ServiceName: 's',
      ResourceAttributes: {},
      SpanAttributes: {},
      StatusCode: 'Unset',
      StatusMessage: '',
      ...span,
      Timestamp: decimalSeconds(startNs),
      Duration: String(durationNs ?? 0),
      ...extra,
    })),
    format: 'JSONEachRow',
  })
}

function decimalSeconds(ns: bigint): string {
  return `${ns / 1_000_000_000n}.${String(ns % 1_000_000_000n).padStart(9, '0')}`
}
