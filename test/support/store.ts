import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { openStore, type Store, type StoreOptions } from '../../src/store/store.ts'

export const quiet = pino({ level: 'silent' })

export type TestEngine = { url: string; engine: Engine | undefined; dataDir: string; stop(): Promise<void> }

/** The server of LONGPOLE_CLICKHOUSE_URL, else an embedded engine with a directory of its own. */
export async function startTestEngine(): Promise<TestEngine> {
  const url = process.env.LONGPOLE_CLICKHOUSE_URL
  if (url) return { url, engine: undefined, dataDir: '', stop: async () => {} }
  const dataDir = mkdtempSync(join(tmpdir(), 'longpole-test-'))
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

/** A store in a fresh database. */
export async function openTestStore(
  url: string,
  retentionDays = 7,
  spool?: StoreOptions['spool'],
): Promise<Store & { database: string }> {
  const database = `test_${randomBytes(6).toString('hex')}`
  const store = openStore({ url, database, retentionDays, rollupRetentionDays: 400, spool, log: quiet })
  await store.migrate()
  return Object.assign(store, { database })
}

/** Takes the rows out of every table; cheaper than a fresh database, whose schema takes seconds. */
export async function emptyStore(store: Store): Promise<void> {
  const answer = await store.client.query({
    query: `SELECT name FROM system.tables
      WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND name != 'schema_migrations'`,
    format: 'JSONEachRow',
  })
  for (const { name } of await answer.json<{ name: string }>()) {
    await store.client.command({ query: `TRUNCATE TABLE ${name}` })
  }
}

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
