import type { Logger } from 'pino'
import { type AnalyzerHandle, startAnalyzer } from '../analyzer/analyzer.ts'
import { startApi } from '../api/server.ts'
import { type Config, splitAddress } from '../config.ts'
import { type Engine, startEngine } from '../engine/start.ts'
import { type ReceiverHandle, startReceiver } from '../receiver/server.ts'
import { watchStore } from '../store/health.ts'
import { openStore, type Store } from '../store/store.ts'

export const ROLES = ['receiver', 'analyzer', 'api'] as const
export type Role = (typeof ROLES)[number]

export type Service = {
  /** host:port of what runs; the engine's URL. */
  addresses: { otlpGrpc?: string; otlpHttp?: string; api?: string; clickhouse: string }
  store: Store
  analyzer: AnalyzerHandle | undefined
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
    if (url === undefined) {
      const { host, port } = splitAddress(config.clickhouseHttp)
      const started = await startEngine({ dataDir: config.dataDir, host, port, password: config.token, log })
      stops.push(() => started.stop())
      url = withPassword(started.url, config.token)
      engine = started
    }
    const store = openStore({
      url,
      database: config.clickhouseDatabase,
      retentionDays: config.retentionDays,
      rollupRetentionDays: config.rollupRetentionDays,
      fsync: config.fsync,
      log,
    })
    stops.push(() => store.close())
    await store.migrate().catch((cause) => {
      if (config.clickhouseUrl === undefined) throw cause
      throw new Error(`LONGPOLE_CLICKHOUSE_URL=${withPassword(url, undefined)}: the store cannot be used`, {
        cause,
      })
    })
    const watch = await watchStore(store, log)
    stops.push(() => watch.stop())

    let receiver: ReceiverHandle | undefined
    if (roles.includes('receiver')) {
      receiver = await startReceiver({
        grpc: config.otlpGrpc,
        http: config.otlpHttp,
        sink: { insert: store.insertSpans, probe: store.probe, damage: watch.damage },
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
    let analyzer: AnalyzerHandle | undefined
    if (roles.includes('analyzer')) {
      analyzer = startAnalyzer({
        store,
        settleSeconds: config.settleSeconds,
        findingLimits: config.findingLimits,
        dependencies: config.dependencies,
        log,
      })
      const started = analyzer
      users.push(() => started.stop())
    }
    let api: { address: string; stop(): Promise<void> } | undefined
    if (roles.includes('api')) {
      api = await startApi({
        address: config.api,
        store,
        token: config.token,
        tls: config.tls,
        problem: () => engine?.problem() ?? receiver?.problem() ?? watch.damage(),
        findingLimits: config.findingLimits,
        metrics: { receiver: receiver?.counters, analyzer: analyzer?.counters },
        log,
      })
      const started = api
      users.push(() => started.stop())
    }
    return {
      addresses: {
        ...(receiver === undefined ? {} : { otlpGrpc: receiver.grpcAddress, otlpHttp: receiver.httpAddress }),
        ...(api === undefined ? {} : { api: api.address }),
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
