import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client'

/** What the parts count, as plain objects: a number, numbers by label, or a histogram each. */
export type Counters = { readonly [name: string]: unknown }
export type MetricSources = Readonly<Record<string, Counters | undefined>>
export type Metrics = { scrape(): Promise<string>; contentType: string }

/** `counts` per bound, not added up; the last one is of what is beyond all bounds. */
type Counted = { bounds: readonly number[]; counts: readonly number[]; sum: number; count: number }

/** Values that may fall. */
const GAUGES = new Set(['bytesInFlight', 'lagSeconds', 'queueAgeSeconds', 'learnedStructures'])
/** What the numbers of a group differ in. */
const LABELS: Readonly<Record<string, string>> = {
  requests: 'transport',
  outcomes: 'outcome',
  rejected: 'reason',
  cut: 'part',
  discarded: 'signal',
  repairs: 'kind',
}

/**
 * Prometheus metrics of the parts' counters: `receiver.received` becomes `longpole_receiver_received_total`, a group of
 * numbers one metric with a label. Read anew at each scrape, after `refresh` has brought them up to date.
 */
export function createMetrics(sources: MetricSources, refresh?: () => Promise<void>): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'longpole_' })
  for (const [part, counters] of Object.entries(sources)) {
    for (const name of Object.keys(counters ?? {})) {
      const words = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      const read = () => counters![name]
      if (isCounted(read())) addHistogram(registry, `longpole_${part}_${words}`, read as () => Counted)
      else if (GAUGES.has(name)) addGauge(registry, `longpole_${part}_${words}`, read as () => number)
      else addCounter(registry, `longpole_${part}_${words}_total`, LABELS[name] ?? 'of', read)
    }
  }
  return {
    contentType: registry.contentType,
    async scrape() {
      await refresh?.()
      return registry.metrics()
    },
  }
}

function addGauge(registry: Registry, name: string, read: () => number): void {
  const gauge: Gauge = new Gauge({
    name,
    help: helpOf(name),
    registers: [registry],
    collect() {
      gauge.set(read())
    },
  })
}

function addCounter(registry: Registry, name: string, label: string, read: () => unknown): void {
  const isGroup = typeof read() === 'object'
  const counter: Counter = new Counter({
    name,
    help: helpOf(name),
    labelNames: isGroup ? [label] : [],
    registers: [registry],
    collect() {
      counter.reset()
      if (!isGroup) counter.inc(read() as number)
      else {
        for (const [of, value] of Object.entries(read() as Record<string, number>)) {
          counter.inc({ [label]: of }, value)
        }
      }
    },
  })
}

/** The library's own histogram takes observations; these are counted already, and handed over as it hands over its own. */
function addHistogram(registry: Registry, name: string, read: () => Counted): void {
  const get = async () => {
    const { bounds, counts, sum, count } = read()
    let below = 0
    const buckets = [...bounds, '+Inf'].map((le, i) => {
      below += counts[i]!
      return { labels: { le }, value: below, metricName: `${name}_bucket` }
    })
    const values = [
      ...buckets,
      { labels: {}, value: sum, metricName: `${name}_sum` },
      { labels: {}, value: count, metricName: `${name}_count` },
    ]
    return { name, help: helpOf(name), type: 'histogram', values, aggregator: 'sum' }
  }
  registry.registerMetric({ name, get } as unknown as Metric)
}

function helpOf(name: string): string {
  return name.replaceAll('_', ' ')
}

function isCounted(value: unknown): value is Counted {
  return typeof value === 'object' && value !== null && 'bounds' in value && 'counts' in value
}
