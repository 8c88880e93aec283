import type { Logger } from 'pino'
import { createCounters } from '../analyzer/counters.ts'
import { type Config, splitAddress } from '../config.ts'
import { type Engine, startEngine } from '../engine/start.ts'
import { type ReceiverHandle, startReceiver } from '../receiver/server.ts'
import { type StoreWatch, watchStore } from '../store/health.ts'
import type { Store } from '../store/store.ts'
import { startPart } from './part.ts'
import { openPartStore } from './part-thread.ts'

export const ROLES = ['receiver', 'analyzer', 'api'] as const
export type Role = (typeof ROLES)[number]

export type Service = {
  /** host:port of what runs; the engine's URL. */
  addresses: { otlpGrpc?: string; otlpHttp?: string; api?: string; clickhouse: string }
  store: Store
  /** `drain` analyzes until nothing waits. */
  analyzer: { drain(): Promise<void> } | undefined
  /** Stops accepting, finishes what is in flight, closes everything, in reverse order of starting. */
  stop(): Promise<void>
}

/** Starts the parts; if one fails, those that run are stopped and the fault is thrown. */
export async function startService(
  config: Config,
  log: Logger,
  roles: readonly Role[] = ROLES,
): Promise<Service> {
  /** What uses the store stops at the same time, so that nothing more is accepted; then what it stands on. */
  const users: (() => Promise<void>)[] = []
  const stops: (() => Promise<void> | void)[] = []
  const stop = async () => {
    await Promise.all(users.splice(0).map((stopPart) => stopPart()))
    for (const stopPart of stops.splice(0).reverse()) await stopPart()
  }
  try {
    let url = config.clickhouseUrl
    let engine: Engine | undefined
    let watch: StoreWatch | undefined
    if (url === undefined) {
      const { host, port } = splitAddress(config.clickhouseHttp)
      const started = await startEngine({
        dataDir: config.dataDir,
        host,
        port,
        password: config.token,
        onBrokenPart: (error) => watch?.noteError(error),
        onPartsRemoved: (paths) => watch?.forget(paths),
        log,
      })
      stops.push(() => started.stop())
      url = withPassword(started.url, config.token)
      engine = started
    }
    let store: Store
    try {
      store = openPartStore(config, url, log, engine?.spool)
      stops.push(() => store.close())
      await store.migrate()
    } catch (cause) {
      if (config.clickhouseUrl === undefined) throw cause
      const setting = `LONGPOLE_CLICKHOUSE_URL=${withPassword(url, undefined)}`
      throw new Error(`${setting}: the store cannot be used`, { cause })
    }
    const health = await watchStore(store, log)
    watch = health
    stops.push(() => health.stop())

    let receiver: ReceiverHandle | undefined
    if (roles.includes('receiver')) {
      receiver = await startReceiver({
        grpc: config.otlpGrpc,
        http: config.otlpHttp,
        sink: { insert: store.insertSpans, probe: store.probe, damage: health.damage },
        retentionDays: config.retentionDays,
        limits: config.limits,
        token: config.token,
        tls: config.tls,
        log,
      })
      const started = receiver
      // Some of the time is for the answers to be written, and for the engine to stop.
      users.push(() => started.stop(config.graceSeconds * 700))
    }
    const argument = { config, url }
    let analyzer: Service['analyzer']
    let analyzerStarted: Promise<void> | undefined
    const analyzerCounters = { ...createCounters(), restarts: 0 }
    if (roles.includes('analyzer')) {
      const part = startPart<void>('analyzer', new URL('./analyzer-thread.ts', import.meta.url), {
        argument: () => argument,
        handlers: {
          counters: (told: object) => Object.assign(analyzerCounters, told),
          spool: () => engine?.spool(),
        },
        counters: analyzerCounters,
        log,
      })
      users.push(part.stop)
      analyzerStarted = part.started
      analyzer = { drain: () => part.call('drain') }
    }
    let apiStarted: Promise<string> | undefined
    if (roles.includes('api')) {
      const apiCounters = { restarts: 0 }
      const metrics = {
        receiver: receiver?.counters,
        analyzer: analyzer === undefined ? undefined : analyzerCounters,
        api: apiCounters,
      }
      const part = startPart<string>('API', new URL('./api-thread.ts', import.meta.url), {
        // The port that was free the first time.
        argument: (last) => ({ ...argument, address: last ?? config.api }),
        handlers: {
          metrics: () => metrics,
          spool: () => engine?.spool(),
          problem: () => engine?.problem() ?? receiver?.problem() ?? health.damage(),
        },
        counters: apiCounters,
        log,
      })
      users.push(part.stop)
      apiStarted = part.started
    }
    const [api] = await Promise.all([apiStarted, analyzerStarted])
    return {
      addresses: {
        ...(receiver === undefined ? {} : { otlpGrpc: receiver.grpcAddress, otlpHttp: receiver.httpAddress }),
        ...(api === undefined ? {} : { api }),
        clickhouse: withPassword(url, undefined),
      },
      store,
      analyzer,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The same URL with this password, or without user and password. */
function withPassword(text: string, password: string | undefined): string {
  const url = new URL(text)
  url.username = password === undefined ? '' : 'default'
  url.password = encodeURIComponent(password ?? '')
  return url.href.replace(/\/$/, '')
}
