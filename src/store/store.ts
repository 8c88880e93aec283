import { randomUUID } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { type ClickHouseClient, type ClickHouseSettings, createClient } from '@clickhouse/client'
import type { Logger } from 'pino'
import type { Retention } from '../analysis/steps.ts'
import { columnIn } from '../trace/column-memory.ts'
import { migrate } from './migrate.ts'
import { createSpoolFiles } from './spool-files.ts'

const QUERIES = join(import.meta.dirname, '..', '..', 'schema', 'queries')

/**
 * Inserts of rows that a view feeds on: repeated under one token, neither table nor view keeps them twice. They are
 * answered once the rows are stored, also by a server that gathers inserts unless told otherwise.
 */
const DEDUPLICATED = { deduplicate_blocks_in_dependent_materialized_views: 1, async_insert: 0 } as const
const REQUEST_TIMEOUT_MS = 120_000
/** An insert of spans that takes longer is given up by the store: the analyzer does not look back further. */
export const SLOWEST_INSERT_MS = 45_000
/** Skip indexes are built when parts are merged, which is soon: at the insert they are a fifth of its time. */
const OF_SPANS = {
  max_execution_time: SLOWEST_INSERT_MS / 1000,
  materialize_skip_indexes_on_insert: 0,
} as const
/**
 * Spans that a Collector inserted may be from any day, and then so are their results. A block is stored as it comes: for
 * the store to look through it for rows that replace each other, as it does unless told otherwise, is two thirds of its
 * time, and reading with FINAL does that anyway.
 */
const OF_RESULTS = { max_partitions_per_insert_block: '0', optimize_on_insert: 0 } as const
const PING_TIMEOUT_MS = 2000

export type StoreOptions = {
  url: string
  database: string
  retentionDays: number
  rollupRetentionDays: number
  /** Inserts return when what they wrote is on the disk, come power loss. */
  fsync?: boolean | undefined
  /**
   * Where a store on this machine looks for data that a request only names, and puts answers: blocks and large answers go
   * there instead of through a socket, which moves only while this thread computes nothing. undefined: there is no such
   * place, or none at the moment.
   */
  spool?: (() => string | undefined | Promise<string | undefined>) | undefined
  log: Logger
}

export type SpanBatch = {
  rows: number
  /** The block, in parts. */
  native: readonly Uint8Array[]
  /** Columns of the block; the table's others take their defaults. */
  columns: readonly string[]
  /** Makes a repetition of the same bytes harmless. */
  token: string
  signal?: AbortSignal | undefined
}

export type Store = {
  readonly client: ClickHouseClient
  /** For how long spans and results, and rollups, are kept. */
  readonly retention: Retention
  /** Applies schema/; returns the versions that were new. */
  migrate(): Promise<number[]>
  /** Whether the store answers. */
  ping(): Promise<boolean>
  /** One Native block of columns of received_spans; returns when it is stored. */
  insertSpans(batch: SpanBatch): Promise<void>
  /** Writes a row, to see whether that is possible. @throws what the store says */
  probe(): Promise<void>
  /** One Native block, in parts, into a table of results. */
  insertBlock(table: string, native: readonly Uint8Array[], token: string): Promise<void>
  /** Rows of schema/queries/NAME.sql with its {name:Type} parameters. */
  query<Row>(name: string, params?: Record<string, unknown>): Promise<Row[]>
  /** The same, in batches of rows as arrays of their columns. */
  stream<Row>(name: string, params?: Record<string, unknown>): AsyncIterable<Row[]>
  /** The answer of a query as bytes of the Native format. */
  queryNative(sql: string, params?: Record<string, unknown>): Promise<Buffer>
  /** The same of an answer that may be tens of megabytes: `take` gets it, and must keep nothing of its memory. */
  queryLarge<T>(sql: string, params: Record<string, unknown>, take: (answer: Buffer) => T): Promise<T>
  close(): Promise<void>
}

/** Opens the store; everything goes through ClickHouse's client and a URL. The database is created by `migrate`. */
export function openStore(options: StoreOptions): Store {
  const { url, database, fsync = false, log } = options
  const retention = { days: options.retentionDays, rollupDays: options.rollupRetentionDays }
  const client = createClient({
    url,
    database,
    request_timeout: REQUEST_TIMEOUT_MS,
    max_open_connections: 16,
    application: 'longpole',
    // Faults are thrown, and said once by those who catch them.
    log: { level: 127 },
  })
  const texts = new Map<string, string>()
  const files = createSpoolFiles()
  let answerMemory: Uint8Array | undefined

  return {
    client,
    retention,

    async migrate() {
      // The database cannot be created from within itself.
      const outside = createClient({ url, database: 'default', log: { level: 127 } })
      try {
        await outside.command({ query: `CREATE DATABASE IF NOT EXISTS \`${database}\`` })
      } finally {
        await outside.close()
      }
      const applied = await migrate(client, retention, fsync)
      if (applied.length > 0) log.info({ database, versions: applied }, 'schema applied')
      return applied
    },

    async ping() {
      const abort_signal = AbortSignal.timeout(PING_TIMEOUT_MS)
      const answer = await client.ping({ select: false, abort_signal })
      return answer.success
    },

    async insertSpans({ rows, native, columns, token, signal }) {
      if (rows === 0) return
      const names = columns.map((name) => `\`${name}\``).join(', ')
      const insert = `INSERT INTO received_spans (${names}) FORMAT Native`
      await insertNative(insert, native, token, OF_SPANS, signal)
    },

    async probe() {
      const values = [{ Name: 'probe', Value: '', Version: Date.now() }]
      await client.insert({ table: 'analyzer_state', values, format: 'JSONEachRow' })
    },

    insertBlock: (table, native, token) =>
      insertNative(`INSERT INTO ${table} FORMAT Native`, native, token, OF_RESULTS),

    async query(name, params = {}) {
      const answer = await client.query({ query: textOf(name), query_params: params, format: 'JSONEachRow' })
      return answer.json()
    },

    async *stream<Row>(name: string, params: Record<string, unknown> = {}) {
      const answer = await client.query({
        query: textOf(name),
        query_params: params,
        format: 'JSONCompactEachRow',
      })
      for await (const rows of answer.stream()) yield rows.map((row) => row.json<Row>())
    },

    queryNative,

    async queryLarge(sql, params, take) {
      const directory = await options.spool?.()
      const answer = directory === undefined ? undefined : await fetchAnswer(sql, params, directory, take)
      return answer === undefined ? take(await queryNative(sql, params)) : answer.taken
    },

    close() {
      files.close()
      return client.close()
    },
  }

  function textOf(name: string): string {
    let text = texts.get(name)
    if (text === undefined) {
      text = readFileSync(join(QUERIES, `${name}.sql`), 'utf8')
      texts.set(name, text)
    }
    return text
  }

  async function queryNative(sql: string, params: Record<string, unknown> = {}): Promise<Buffer> {
    const { stream } = await client.exec({ query: `${sql} FORMAT Native`, query_params: params })
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }

  /** undefined: it cannot be had this way, for there is no room for example. */
  async function fetchAnswer<T>(
    sql: string,
    query_params: Record<string, unknown>,
    directory: string,
    take: (answer: Buffer) => T,
  ): Promise<{ taken: T } | undefined> {
    const file = join(directory, randomUUID())
    let answer: Buffer
    try {
      const query = `${sql} FORMAT Native`
      const clickhouse_settings = { spool_answer: basename(file) }
      const { stream } = await client.exec({ query, query_params, clickhouse_settings })
      for await (const _ of stream) {
        // The answer is in the file; reading this one frees the connection.
      }
      answer = readAnswer(file)
    } catch (error) {
      log.debug({ err: error }, 'an answer comes through the socket')
      return undefined
    } finally {
      rmSync(file, { force: true })
    }
    // At once: the next answer is read into the same memory.
    return { taken: take(answer) }
  }

  function readAnswer(file: string): Buffer {
    const descriptor = openSync(file, 'r')
    try {
      const { size } = fstatSync(descriptor)
      answerMemory = columnIn(answerMemory, Uint8Array, size)
      for (let at = 0; at < size; ) {
        const read = readSync(descriptor, answerMemory, at, size - at, at)
        if (read === 0) throw new Error('the answer ends early')
        at += read
      }
    } finally {
      closeSync(descriptor)
    }
    const { buffer, byteOffset, length } = answerMemory
    return Buffer.from(buffer, byteOffset, length)
  }

  async function insertNative(
    query: string,
    native: readonly Uint8Array[],
    token: string,
    settings: ClickHouseSettings,
    signal?: AbortSignal,
  ): Promise<void> {
    const directory = await options.spool?.()
    const file = directory === undefined ? undefined : files.write(directory, native)
    let isRead = false
    try {
      const { stream } = await client.exec({
        query,
        ...(file === undefined ? { values: Readable.from(native) } : {}),
        clickhouse_settings: {
          ...DEDUPLICATED,
          ...settings,
          insert_deduplication_token: token,
          ...(file === undefined ? {} : { spooled: file.name }),
        },
        ...(signal === undefined ? {} : { abort_signal: signal }),
      })
      for await (const _ of stream) {
        // The answer is empty; reading it frees the connection.
      }
      isRead = true
    } finally {
      if (file !== undefined) files.release(file, isRead)
    }
  }
}
