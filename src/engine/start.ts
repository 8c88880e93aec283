import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import type { ChildMessage, ChildOptions } from './child.ts'
import { fullDisk } from './full-disk.ts'

export type Engine = {
  /** Stays valid when the child is restarted. */
  url: string
  pid(): number | undefined
  /** Where it looks for data that a request only names (`spooled`); undefined: it does not run. */
  spool(): string | undefined
  /** Why it does not run; undefined: it does. */
  problem(): string | undefined
  stop(): Promise<void>
}

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
/** Node 20 needs tsx to run the sources, whatever runs its parent; later ones run them as they are. */
const TYPESCRIPT =
  'typescript' in process.features && process.features.typescript
    ? []
    : ['--import', import.meta.resolve('tsx')]
/** A child that dies is started again after this long, doubling up to the maximum. */
const RESTART_MS = 100
const RESTART_MAX_MS = 10_000
/** A child that ran this long did not die of starting: the next restart is quick again. */
const HEALTHY_MS = 1000
const STOP_MS = 10_000
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/

/**
 * Starts the embedded ClickHouse engine in a child process that speaks ClickHouse's HTTP interface on loopback, and
 * keeps it running. (In a child: an engine in a worker thread hangs or crashes the process that it leaves.)
 *
 * @throws Error with one line that says what to install or set, when it cannot be started
 */
export async function startEngine(options: {
  dataDir: string
  host: string
  port: number
  /** Asked for from every user, where set. */
  password?: string | undefined
  /** A statement failed of a part, which the error names. */
  onBrokenPart?(error: string): void
  /** Parts by these paths are gone; others may come by them. */
  onPartsRemoved?(paths: readonly string[]): void
  log: Logger
}): Promise<Engine> {
  const { dataDir, host, password, log } = options
  if (!LOOPBACK.test(host)) {
    throw new Error(
      `LONGPOLE_CLICKHOUSE_HTTP=${host}:${options.port}: the embedded engine answers this machine only`,
    )
  }
  let child: ChildProcess | undefined
  let port = options.port
  let spool: string | undefined
  let stopping = false
  let problem: string | undefined
  let delayMs = RESTART_MS
  let timer: NodeJS.Timeout | undefined

  const start = async () => {
    const startedAt = performance.now()
    const started = await forkChild({ dataDir, host, port, password })
    child = started.child
    port = started.port
    spool = started.spool
    problem = undefined
    if (started.leftOut > 0) {
      log.warn(
        { parts: started.leftOut },
        'the full disk left parts unwritten: what they were merged from is read again',
      )
    }
    let ending = 'the embedded engine died'
    child.on('message', (message: ChildMessage) => {
      if (message.type === 'broken-part') options.onBrokenPart?.(message.error)
      if (message.type === 'writes-failed') {
        ending = 'writes of the embedded engine failed: it ended'
        options.onPartsRemoved?.(message.cut)
      }
    })
    child.once('exit', (code, signal) => {
      child = undefined
      spool = undefined
      if (stopping) return
      problem = `${ending} (${signal ?? `exit code ${code}`}) and is started again`
      if (performance.now() - startedAt > HEALTHY_MS) delayMs = RESTART_MS
      log.error({ code, signal, restartInMs: delayMs }, ending)
      restartLater()
    })
  }
  const restartLater = () => {
    timer = setTimeout(async () => {
      const full = fullDisk(dataDir)
      if (full !== undefined) {
        problem = full
        delayMs = RESTART_MS
        return restartLater()
      }
      try {
        await start()
        log.info({ enginePid: child?.pid }, 'the engine runs again')
      } catch (error) {
        problem = (error as Error).message
        log.error({ err: error, restartInMs: delayMs }, 'the engine could not be restarted')
        if (!stopping) restartLater()
      }
    }, delayMs)
    delayMs = Math.min(2 * delayMs, RESTART_MAX_MS)
  }

  const full = fullDisk(dataDir)
  if (full !== undefined) throw new Error(`LONGPOLE_DATA_DIR=${dataDir} cannot be used: ${full}`)
  await start()
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    pid: () => child?.pid,
    spool: () => spool,
    problem: () => problem,
    async stop() {
      stopping = true
      clearTimeout(timer)
      if (child === undefined) return
      const running = child
      const gone = new Promise((resolve) => running.once('exit', resolve))
      running.send('stop', () => {})
      const force = setTimeout(() => running.kill('SIGKILL'), STOP_MS)
      await gone
      clearTimeout(force)
    },
  }
}

type Started = { child: ChildProcess } & Omit<ChildMessage & { type: 'ready' }, 'type'>

function forkChild(options: ChildOptions): Promise<Started> {
  return new Promise((resolve, reject) => {
    const child = fork(CHILD, {
      execArgv: TYPESCRIPT,
      // UTC: what its answers say in their headers, whatever the machine's time zone.
      env: { ...process.env, TZ: 'UTC', LONGPOLE_ENGINE: JSON.stringify(options) },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const early = (code: number | null, signal: string | null) =>
      reject(new Error(`the embedded engine ended while starting (${signal ?? `exit code ${code}`})`))
    child.once('exit', early)
    child.once('error', reject)
    child.once('message', (message: ChildMessage) => {
      child.off('exit', early)
      if (message.type === 'ready') resolve({ ...message, child })
      else if (message.type === 'failed') reject(new Error(explain(message, options)))
    })
  })
}

function explain(failure: ChildMessage & { type: 'failed' }, options: ChildOptions): string {
  switch (failure.reason) {
    case 'no-engine':
      return (
        'the embedded engine cannot be loaded: install it with `npm i chdb` (glibc Linux or macOS), or set ' +
        `LONGPOLE_CLICKHOUSE_URL to a ClickHouse server (${failure.message.split('\n')[0]})`
      )
    case 'port':
      return `LONGPOLE_CLICKHOUSE_HTTP=${options.host}:${options.port}: the port is taken`
    case 'data-dir':
      return `LONGPOLE_DATA_DIR=${options.dataDir} cannot be used: ${failure.message}`
    case 'other':
      return `the embedded engine cannot be started: ${failure.message}`
  }
}
