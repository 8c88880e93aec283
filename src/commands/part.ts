import type { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { startThread } from '../thread.ts'
import { type Calls, connectCalls, type Handlers } from './calls.ts'

/** A part of the service in a thread of its own: what it computes holds nobody else up. */
export type Part<Start> = {
  /** What its `start` returned, the first time; or why there is nothing to return. */
  started: Promise<Start>
  call: Calls['call']
  /** Lets it finish what it is at. */
  stop(): Promise<void>
}

/** A part that dies is started again after this long: it may have died of what it is given. */
const RESTART_MS = 1000

/**
 * Starts a thread and calls its `start`, again whenever it dies. The thread ends with its own `stop`; what it says with
 * `log` gets into the log.
 */
export function startPart<Start>(
  name: string,
  entry: URL,
  options: {
    argument(last: Start | undefined): unknown
    handlers?: Handlers
    /** Where it is counted how often it died. */
    counters: { restarts: number }
    log: Logger
  },
): Part<Start> {
  const { log, counters } = options
  const handlers = { ...options.handlers, log: (line: string) => logLine(log, line) }
  let thread: Worker
  let calls: Calls
  let gone: Promise<void>
  let last: { start: Start } | undefined
  let stopping = false
  let timer: NodeJS.Timeout | undefined

  const start = async () => {
    thread = startThread(entry)
    calls = connectCalls(thread, handlers)
    gone = end(thread, calls)
    last = { start: await calls.call<Start>('start', options.argument(last?.start)) }
    return last.start
  }
  const end = (thread: Worker, calls: Calls) =>
    new Promise<void>((resolve) => {
      let cause: unknown
      thread.once('error', (error) => {
        cause = error
      })
      thread.once('exit', (code) => {
        const why = new Error(`the thread of the ${name} ended (${code})`, { cause })
        calls.end(why)
        resolve()
        if (stopping || last === undefined) return
        counters.restarts++
        log.error({ err: why, part: name, restartInMs: RESTART_MS }, 'a part of the service died')
        timer = setTimeout(restart, RESTART_MS)
      })
    })
  const restart = async () => {
    try {
      await start()
      log.info({ part: name }, 'a part of the service runs again')
    } catch (error) {
      log.error({ err: error, part: name }, 'a part of the service could not be started again')
      await thread.terminate()
    }
  }
  return {
    started: start(),
    call: (called, argument) => calls.call(called, argument),
    async stop() {
      stopping = true
      clearTimeout(timer)
      calls.tell('stop')
      await gone
    },
  }
}

/** A line of the thread's log, as one of ours. */
function logLine(log: Logger, line: string): void {
  const { level, time, pid, msg, ...fields } = JSON.parse(line)
  log[level as 'info'](fields, msg)
}
