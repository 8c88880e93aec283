import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Session } from 'chdb'
import { isOfBrokenPart } from './broken-part.ts'
import { watchFullDisk } from './full-disk.ts'
import { serveEngine } from './http-server.ts'
import { findUnwritten, removeUnwritten } from './unwritten-parts.ts'

/** What the parent tells the child, as JSON in LONGPOLE_ENGINE: arguments are for all to see. */
export type ChildOptions = { dataDir: string; host: string; port: number; password?: string | undefined }

/** What the child tells the parent. */
export type ChildMessage =
  | { type: 'ready'; port: number; spool: string; leftOut: number }
  | { type: 'broken-part'; error: string }
  | { type: 'failed'; reason: 'no-engine' | 'port' | 'data-dir' | 'other'; message: string }

/** An engine whose parent was killed takes a moment to notice. */
const HOLDER_MS = 10_000
/** Of a child that ends to be started again, since parts are there that were not written. */
const UNWRITTEN = 3
/** Statements under way get this long to end. */
const STOP_MS = 10_000
/** Merges give way to inserts where the processor is short; without CAP_SYS_NICE the engine leaves them as they are. */
const ENGINE_ARGUMENTS = ['--os_threads_nice_value_merge_mutate=5']

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
  try {
    mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
    accessSync(options.dataDir, constants.W_OK)
    const until = performance.now() + HOLDER_MS
    while (holderOf(options.dataDir) !== undefined && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    leftOut = removeUnwritten(options.dataDir)
    closeDefaultDatabase(openSession())
  } catch (error) {
    const holder = holderOf(options.dataDir)
    const message = holder === undefined ? (error as Error).message : `process ${holder} has it open`
    await tell({ type: 'failed', reason: 'data-dir', message })
    process.exit(1)
  }
  try {
    const onError = (error: unknown) => {
      if (isOfBrokenPart(String(error))) void tell({ type: 'broken-part', error: String(error) })
    }
    const server = await serveEngine(openSession, { ...options, onError })
    const stop = async (code: number) => {
      await server.close()
      await chdb.drainPending()
      process.exit(code)
    }
    process.on('message', (message) => {
      if (message === 'stop') void stop(0)
    })
    watchFullDisk(options.dataDir, () => {
      if (findUnwritten(options.dataDir).length === 0) return
      // A reader who takes no answer must not keep spans out; what is acknowledged stays, however this ends.
      setTimeout(end, STOP_MS).unref()
      void stop(UNWRITTEN)
    })
    await tell({ type: 'ready', port: server.port, spool: server.spool, leftOut })
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    await tell({ type: 'failed', reason: inUse ? 'port' : 'other', message: (error as Error).message })
    process.exit(1)
  }
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
