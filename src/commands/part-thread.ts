import { parentPort } from 'node:worker_threads'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createLog } from '../log.ts'
import { openStore, type Store, type StoreOptions } from '../store/store.ts'
import { type Calls, connectCalls, type Handlers } from './calls.ts'

/** What a thread of the service is started with; `url`: of the store, which has its tables. */
export type PartArgument = { config: Config; url: string }

/**
 * The thread's side of part.ts: `start` opens a store and the part; `stop` closes both, and the thread ends. The other
 * side is asked for `spool` (see StoreOptions).
 */
export function runPart<Argument extends PartArgument>(
  start: (
    argument: Argument,
    context: { store: Store; log: Logger; parent: Calls },
  ) => Promise<{ started: unknown; handlers: Handlers; stop(): Promise<void> }>,
): void {
  let part: Awaited<ReturnType<typeof start>> | undefined
  let store: Store | undefined
  const handlers: Record<string, Handlers[string]> = {
    async start(argument: Argument) {
      const { config, url } = argument
      const log = createLog(config.logLevel, { write: (line) => parent.tell('log', line) })
      store = openPartStore(config, url, log, () => parent.call('spool'))
      part = await start(argument, { store, log, parent })
      Object.assign(handlers, part.handlers)
      return part.started
    },
    async stop() {
      await part?.stop()
      await store?.close()
      process.exit()
    },
  }
  const parent = connectCalls(parentPort!, handlers)
}

/** The store as the settings have it. `spool`: see there. */
export function openPartStore(
  config: Config,
  url: string,
  log: Logger,
  spool?: StoreOptions['spool'],
): Store {
  return openStore({
    url,
    database: config.clickhouseDatabase,
    retentionDays: config.retentionDays,
    rollupRetentionDays: config.rollupRetentionDays,
    fsync: config.fsync,
    spool,
    log,
  })
}
