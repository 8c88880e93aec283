import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { keptDays, type Retention } from '../analysis/steps.ts'

const SCHEMA = join(import.meta.dirname, '..', '..', 'schema')

/** Tables whose rows expire, and what their TTL counts from; `days` is what LONGPOLE_RETENTION_DAYS says. */
const EXPIRING: Readonly<Record<string, (retention: Retention) => string>> = {
  otel_traces: ({ days }) => ttl('Timestamp', days),
  otel_traces_trace_id_ts: ({ days }) => ttl('Start', days),
  spans_lean: ({ days }) => ttl('StoredAt', days),
  // A day of samples goes when its last one has had its time: until then rollups are made from all of them.
  samples: ({ days }) => ttl('Start', days + 1),
  analyzed_traces: ({ days }) => ttl('FirstStored', days),
  // Longer than what names them: the newest is published anew each day.
  models: ({ days }) => ttl('PublishedAt', days + 3),
  rollups: (retention) => {
    // The bucket in which keeping begins stays, and those of days are up to four long.
    const [results, weeks, all] = (['results', 'weeks', 'rollups'] as const).map(
      (kept) => keptDays({ seconds: 0, kept }, retention) + (kept === 'rollups' ? 5 : 2),
    )
    return `toDate(Bucket) + toIntervalDay(multiIf(Step < 3600, ${results}, Step < 86400, ${weeks}, ${all}))`
  },
}

function ttl(column: string, days: number): string {
  return `toDate(${column}) + toIntervalDay(${days})`
}

export type Migration = { version: number; name: string; statements: string[] }

/** The numbered files of schema/, in order. @throws Error if a number is missing or stands twice */
export function readMigrations(): Migration[] {
  const files = readdirSync(SCHEMA)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  return files.map((file, i) => {
    const version = Number(file.slice(0, 3))
    if (version !== i + 1) throw new Error(`schema/${file}: expected number ${i + 1}`)
    const text = readFileSync(join(SCHEMA, file), 'utf8')
    const statements = text
      .split(/;\s*(?:\n|$)/)
      .map((statement) => statement.trim())
      .filter((statement) => statement.replace(/--.*$/gm, '').trim() !== '')
    return { version, name: file, statements }
  })
}

/**
 * Applies what the database does not have yet, once each. Safe for several processes at a time: every statement may
 * run twice (IF NOT EXISTS), and a version counts as applied only after all its statements.
 *
 * @throws Error that names the file that failed
 */
export async function migrate(
  client: ClickHouseClient,
  retention: Retention,
  fsync = false,
): Promise<number[]> {
  await client.command({
    query: `CREATE TABLE IF NOT EXISTS schema_migrations (Version UInt32, Name String, AppliedAt DateTime DEFAULT now())
            ENGINE = ReplacingMergeTree ORDER BY Version`,
  })
  const answer = await client.query({
    query: 'SELECT Version FROM schema_migrations FINAL',
    format: 'JSONEachRow',
  })
  const applied = new Set((await answer.json<{ Version: number }>()).map((row) => row.Version))
  const done: number[] = []
  for (const { version, name, statements } of readMigrations()) {
    if (applied.has(version)) continue
    try {
      for (const query of statements) await client.command({ query })
      await client.insert({
        table: 'schema_migrations',
        values: [{ Version: version, Name: name }],
        format: 'JSONEachRow',
      })
    } catch (error) {
      throw new Error(`schema/${name} could not be applied`, { cause: error })
    }
    done.push(version)
  }
  await setRetention(client, retention)
  await setFsync(client, fsync)
  return done
}

/** Brings the tables' TTL to the setting, where it differs. */
async function setRetention(client: ClickHouseClient, retention: Retention): Promise<void> {
  const answer = await client.query({
    query: `SELECT name, engine_full FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}`,
    query_params: { names: Object.keys(EXPIRING) },
    format: 'JSONEachRow',
  })
  for (const { name, engine_full } of await answer.json<{ name: string; engine_full: string }>()) {
    const wanted = EXPIRING[name]!(retention)
    if (engine_full.includes(`TTL ${wanted} `) || engine_full.endsWith(`TTL ${wanted}`)) continue
    await client.command({ query: `ALTER TABLE ${name} MODIFY TTL ${wanted}` })
  }
}

/** What the engine waits for before it says that rows are inserted, or replaces parts by a merged one. */
const FSYNC = ['fsync_after_insert', 'fsync_part_directory', 'min_compressed_bytes_to_fsync_after_merge']

/** Brings all tables to the setting: a table may have been made while it was another. */
async function setFsync(client: ClickHouseClient, fsync: boolean): Promise<void> {
  const answer = await client.query({
    query: `SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'
              AND (engine_full LIKE '%fsync_after_insert = 1%') != {fsync:Bool}`,
    query_params: { fsync },
    format: 'JSONEachRow',
  })
  for (const { name } of await answer.json<{ name: string }>()) {
    const settings = FSYNC.map((setting) => `${setting} = ${Number(fsync)}`).join(', ')
    await client.command({ query: `ALTER TABLE ${name} MODIFY SETTING ${settings}` })
  }
}
