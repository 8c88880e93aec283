import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { createApi } from '../../src/api/app.ts'
import { markChanged } from '../../src/store/rollup-changes.ts'
import type { Store } from '../../src/store/store.ts'
import { openTestStore, quiet, startTestEngine, type TestEngine } from '../support/store.ts'
import { generateRollups } from './rollup-store.ts'

/** Asked again so often; the first of these are not counted. */
const RUNS = 15
const WARMUP = 2
const ENDPOINTS = Number(process.env.ENDPOINTS ?? 200)
const COMPONENTS = 15
const DAYS = 30

/**
 * Time of each route over 30 days of rollups, and bytes a row: with few and with many requests behind them. `first`:
 * nothing is remembered of it; `again`; and where the last minute was written again in between, as while traffic runs.
 */
async function main(): Promise<void> {
  const out = process.stdout
  out.write(`rollups: ${cpus()[0]?.model}, ${cpus().length} cores, node ${process.version}\n`)
  for (const perMinute of process.argv
    .slice(2)
    .map(Number)
    .filter((n) => n > 0)
    .concat(process.argv.length > 2 ? [] : [20, 2000])) {
    const engine = await startTestEngine()
    const store = await openTestStore(engine.url)
    const nowMs = Date.now()
    const started = performance.now()
    await generateRollups(
      store,
      { endpoints: ENDPOINTS, components: COMPONENTS, days: DAYS, perMinute },
      nowMs,
    )
    out.write(
      `\n${ENDPOINTS} endpoints x ${COMPONENTS} components, ${DAYS} days, ${perMinute} requests/min each`,
    )
    out.write(
      ` (${((ENDPOINTS * DAYS * 1440 * perMinute) / 1e6).toFixed(0)}M); generated in ${seconds(started)}\n`,
    )
    await mergesDone(store)
    const sizes = await store.client.query({
      query: `SELECT Step AS step, sum(rows) AS rows, sum(data_compressed_bytes) AS bytes,
                     sum(data_uncompressed_bytes) AS raw
              FROM (SELECT toUInt32(extract(partition, '\\d+')) AS Step, rows, data_compressed_bytes, data_uncompressed_bytes
                    FROM system.parts WHERE database = currentDatabase() AND table = 'rollups' AND active)
              GROUP BY step ORDER BY step`,
      format: 'JSONEachRow',
    })
    for (const { step, rows, bytes } of await sizes.json<{ step: number; rows: number; bytes: number }>()) {
      out.write(
        `  step ${String(step).padStart(6)} s: ${String(rows).padStart(7)} rows, ${Math.round(Number(bytes) / Number(rows))} bytes each\n`,
      )
    }
    const api = createApi({ store, log: quiet })
    const range = `from=${new Date(nowMs - DAYS * 86_400_000).toISOString()}&to=${new Date(nowMs).toISOString()}`
    const before = `baselineFrom=${new Date(nowMs - DAYS * 86_400_000).toISOString()}&baselineTo=${new Date(nowMs - 15 * 86_400_000).toISOString()}`
    const one = 'service=service-3&operation=GET%20/33'
    const routes = [
      `/endpoints?${range}`,
      `/bottlenecks?${range}&${one}&target=p95<300ms`,
      `/bottlenecks?${range}&limit=20`,
      `/components?${range}`,
      `/timeline?${range}&${one}`,
      `/timeline?${range}`,
      `/events?${range}`,
      `/compare?from=${new Date(nowMs - 15 * 86_400_000).toISOString()}&to=${new Date(nowMs).toISOString()}&${before}`,
      `/flamegraph?${range}&${one}`,
      `/flamegraph?${range}&${one}&${before}&format=speedscope`,
      `/capacity?${range}&${one}`,
    ]
    const lastMinute = Math.floor(nowMs / 60_000) * 60 - 60
    for (const route of routes) {
      const measured = async () => {
        const started = performance.now()
        const cpuBefore = cpuMsOfBoth(engine)
        const answer = await api.request(`/api/v1${route}`)
        const bytes = (await answer.arrayBuffer()).byteLength
        if (answer.status !== 200) throw new Error(`${route}: ${answer.status}`)
        return { ms: performance.now() - started, cpuMs: cpuMsOfBoth(engine) - cpuBefore, bytes }
      }
      const first = await measured()
      const again = []
      for (let run = 0; run < RUNS; run++) again.push(await measured())
      const live = []
      for (let run = 0; run < RUNS; run++) {
        await markChanged(store, 60, [lastMinute])
        live.push(await measured())
      }
      const name = route.replaceAll(/(from|to|baselineFrom|baselineTo)=[^&]*&?/g, '')
      const figures = (runs: { ms: number; cpuMs: number }[]) =>
        `${median(runs.map(({ ms }) => ms))
          .toFixed(0)
          .padStart(5)} ms (CPU ${median(runs.map(({ cpuMs }) => cpuMs))
          .toFixed(0)
          .padStart(4)})`
      out.write(
        `  ${name.padEnd(66)} first ${figures([first])}, again ${figures(again.slice(WARMUP))}, ` +
          `a minute rewritten ${figures(live)}, ${(first.bytes / 1000).toFixed(0)} kB\n`,
      )
    }
    await store.close()
    await engine.stop()
  }
}

/** User and system time of this process and of the engine's; 0 of an engine elsewhere. */
function cpuMsOfBoth({ engine }: TestEngine): number {
  const { user, system } = process.cpuUsage()
  const pid = engine?.pid()
  const fields = pid === undefined ? [] : readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  // utime and stime are the 14th and 15th field, in ticks of 10 ms.
  return (user + system) / 1000 + 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0))
}

/** The engine merges what was generated in the background; nothing of it is a request's doing. */
async function mergesDone(store: Store): Promise<void> {
  for (let idle = 0; idle < 3; ) {
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const answer = await store.client.query({
      query: 'SELECT count() AS merges FROM system.merges',
      format: 'JSONEachRow',
    })
    idle = Number((await answer.json<{ merges: string }>())[0]!.merges) === 0 ? idle + 1 : 0
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}

function seconds(started: number): string {
  return `${((performance.now() - started) / 1000).toFixed(0)} s`
}

await main()
