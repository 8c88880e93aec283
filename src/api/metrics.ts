import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/** A number, or numbers by label. What the parts count, as plain objects that grow. */
export type Counters = { readonly [name: string]: unknown }
export type MetricSources = Readonly<Record<string, Counters | undefined>>

export type Metrics = { scrape(): Promise<string>; contentType: string }

/** Values that may fall. */
const GAUGES = new Set(['bytesInFlight', 'lagSeconds', 'queueAgeSeconds'])
type Histogram = { bounds: readonly number[]; counts: readonly number[]; sum: number; count: number }

/**
 * Prometheus metrics of the parts' counters: `receiver.received` becomes `longpole_receiver_received_total`, an object
 * of numbers one metric with the label `of`. Read anew at each scrape.
 */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'longpole_' })
  const refresh: (() => void)[] = []
  const texts: (() => string)[] = []
  for (const [part, counters] of Object.entries(sources)) {
    for (const [name, first] of Object.entries(counters ?? {})) {
      const base = `longpole_${part}_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`
      const read = () => counters![name]
      if (isHistogram(first)) texts.push(() => histogramText(base, read() as Histogram))
      else refresh.push(register(registry, base, GAUGES.has(name), read))
    }
  }
  return {
    contentType: registry.contentType,
    async scrape() {
      for (const update of refresh) update()
      return (await registry.metrics()) + texts.map((text) => text()).join('')
    },
  }
}

function register(registry: Registry, base: string, falls: boolean, read: () => unknown): () => void {
  const labelled = typeof read() === 'object'
  const options = {
    name: falls ? base : `${base}_total`,
    help: base.replaceAll('_', ' '),
    labelNames: labelled ? ['of'] : [],
    registers: [registry],
  }
  if (falls) {
    const gauge = new Gauge(options)
    return () => gauge.set(Number(read()))
  }
  const counter = new Counter(options)
  return () => {
    counter.reset()
    if (!labelled) counter.inc(Number(read()))
    else
      for (const [of, value] of Object.entries(read() as Record<string, number>)) counter.inc({ of }, value)
  }
}

function isHistogram(value: unknown): value is Histogram {
  return typeof value === 'object' && value !== null && 'bounds' in value && 'counts' in value
}

/** The library's histogram takes observations, ours are counted already: the text format is written as it stands. */
function histogramText(base: string, { bounds, counts, sum, count }: Histogram): string {
  let below = 0
  const lines = bounds.map((bound, i) => {
    below += counts[i]!
    return `${base}_bucket{le="${bound}"} ${below}`
  })
  return [
    `# HELP ${base} ${base.replaceAll('_', ' ')}`,
    `# TYPE ${base} histogram`,
    ...lines,
    `${base}_bucket{le="+Inf"} ${count}`,
    `${base}_sum ${sum}`,
    `${base}_count ${count}`,
    '',
  ].join('\n')
}
