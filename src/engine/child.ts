import { accessSync, constants, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Session } from 'chdb'
import { isOfBrokenPart } from './broken-part.ts'
import { hasFailedWrites } from './failed-writes.ts'
import { serveEngine } from './http-server.ts'
import { findCut, type KnownPart, removeUnwritten } from './unwritten-parts.ts'

/** What the parent tells the child, as JSON in LONGPOLE_ENGINE: arguments are for all to see. */
export type ChildOptions = { dataDir: string; host: string; port: number; password?: string | undefined }

/** What the child tells the parent. */
export type ChildMessage =
  | { type: 'ready'; port: number; spool: string; leftOut: number }
  | { type: 'broken-part'; error: string }
  /** It ends, and is to be started again without these parts (paths), of which it has more in memory than is on the disk. */
  | { type: 'writes-failed'; cut: string[] }
  | { type: 'failed'; reason: 'no-engine' | 'port' | 'data-dir' | 'other'; message: string }

/** An engine whose parent was killed takes a moment to notice. */
const HOLDER_MS = 10_000
/** What was merged is kept for a minute (config.xml). */
const CHECK_MS = 1000
/** Statements under way get so long to end. */
const CLOSE_MS = 5000
/** Merges give way to inserts where the processor is short; without CAP_SYS_NICE the engine leaves them as they are. */
const ENGINE_ARGUMENTS = [
  '--os_threads_nice_value_merge_mutate=5',
  `--config-file=${fileURLToPath(new URL('./config.xml', import.meta.url))}`,
]
/** Parts with what their files should take, as the engine has them in memory. */
const KNOWN_PARTS =
  'SELECT path, toFloat64(bytes_on_disk) AS bytes, modification_time > now() - 120 AS isNew FROM system.parts'

function tell(message: ChildMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(message, () => resolve())
  })
}

async function main(): Promise<void> {
  const options = JSON.parse(process.env.LONGPOLE_ENGINE ?? '{}') as ChildOptions
  // The parent is gone, by kill -9 perhaps: nobody must keep the data directory, and what was acknowledged is in it. It
  // may have gone before this was loaded.
  const end = () => process.kill(process.pid, 'SIGKILL')
  process.on('disconnect', end)
  if (!process.connected) end()
  // Ctrl-C reaches the whole group, and systemd tells every process of a unit; the parent stops its child when everything
  // before it has stopped.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
  let chdb: typeof import('chdb')
  try {
    chdb = createRequire(import.meta.url)('chdb')
  } catch (error) {
    await tell({ type: 'failed', reason: 'no-engine', message: (error as Error).message })
    process.exit(1)
  }
  let leftOut = 0
  const openSession = () => new chdb.Session(options.dataDir, { connectionArgs: ENGINE_ARGUMENTS })
  let own: Session
  try {
    makeDirectory(options.dataDir)
    accessSync(options.dataDir, constants.W_OK)
    const until = performance.now() + HOLDER_MS
    while (holderOf(options.dataDir) !== undefined && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    leftOut = removeUnwritten(options.dataDir)
    own = openSession()
    closeDefaultDatabase(own)
  } catch (error) {
    const holder = holderOf(options.dataDir)
    const message = holder === undefined ? (error as Error).message : `process ${holder} has it open`
    await tell({ type: 'failed', reason: 'data-dir', message })
    process.exit(1)
  }
  try {
    let isEnding = false
    const onError = (error: unknown) => {
      if (!isEnding && isOfBrokenPart(String(error))) void tell({ type: 'broken-part', error: String(error) })
    }
    const server = await serveEngine(openSession, { ...options, onError })
    const endIfWritesFailed = async () => {
      if (!(await hasFailedWrites(own))) return
      isEnding = true
      try {
        // What is under way may become a part yet. A reader who takes no answer must not keep spans out for longer.
        own.query('SYSTEM STOP MERGES')
        await Promise.race([server.close(), new Promise((resolve) => setTimeout(resolve, CLOSE_MS))])
        const cut = findCut(rowsOf<KnownPart>(own.query(KNOWN_PARTS, 'JSONEachRow')))
        await tell({ type: 'writes-failed', cut })
        for (const path of cut) rmSync(path, { recursive: true, force: true })
      } finally {
        end()
      }
    }
    process.on('message', async (message) => {
      if (message !== 'stop') return
      isEnding = true
      await server.close()
      await chdb.drainPending()
      await endIfWritesFailed()
      process.exit(0)
    })
    await tell({ type: 'ready', port: server.port, spool: server.spool, leftOut })
    // Merges tell nobody. Whoever waits for what an insert wrote looks for himself, before he answers.
    while (!isEnding) {
      await endIfWritesFailed().catch(onError)
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS))
    }
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    await tell({ type: 'failed', reason: inUse ? 'port' : 'other', message: (error as Error).message })
    process.exit(1)
  }
}

/** Node's own `recursive` never returns where a directory that is there takes none (ENOENT in /proc). */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    makeDirectory(dirname(path))
    mkdirSync(path, { mode: 0o700 })
  }
}

function rowsOf<Row>(lines: string): Row[] {
  return lines.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Row]))
}

/** The engine locks a directory that it has open, and leaves word of who it is: `PID: 123` and more lines. */
function holderOf(dataDir: string): number | undefined {
  try {
    const pid = Number(/^PID: (\d+)/.exec(readFileSync(join(dataDir, 'status'), 'utf8'))?.[1])
    process.kill(pid, 0)
    return pid === process.pid ? undefined : pid
  } catch {
    return undefined
  }
}

/**
 * The engine starts with a database `default` in which every name that is no table is a file. One that holds no tables
 * takes its place; it is there again with each start.
 */
function closeDefaultDatabase(session: Session): void {
  const tables = session.query("SELECT name FROM system.tables WHERE database = 'default'")
  if (tables !== '') throw new Error('there are tables in its database `default`, which has to be empty')
  session.query('DROP DATABASE IF EXISTS default')
  session.query('CREATE DATABASE default ENGINE = Dictionary')
}

await main()
