import { SERVICE } from '../../analysis/result.ts'
import { definePattern } from '../pattern.ts'
import { inMs } from '../words.ts'

export const everywhere = definePattern({
  id: 'everywhere',
  title: 'A service on every path',
  thresholds: {
    percent: { value: 99, unit: '% of all requests', source: 'nothing works without it' },
    endpoints: { value: 3, unit: 'endpoints', source: 'of one it is simply the backend' },
    requests: { value: 100, unit: 'requests in a batch', source: 'fewer may be one sort' },
  },
  weigh(analysis, { percent, endpoints, requests }, report) {
    const { samples, components, spans } = analysis
    const { dictionary } = spans
    const seen = new Set<number>()
    /** Samples by component. */
    const counts = new Uint32Array(dictionary.components.length)
    let total = 0
    const isService = Uint8Array.from(dictionary.components, ({ kind }) => (kind === 'service' ? 1 : 0))
    const eachService = (s: number, visit: (row: number) => void) => {
      const own = dictionary.endpoints[samples.endpoint[s]!]!.service
      const last = s + 1 < samples.count ? samples.firstComponent[s + 1]! : components.count
      for (let i = samples.firstComponent[s]!; i < last; i++) {
        const component = components.component[i]!
        if (isService[component] === 1 && dictionary.components[component]!.name !== own) visit(i)
      }
    }
    for (let s = 0; s < samples.count; s++) {
      if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
      total++
      seen.add(samples.endpoint[s]!)
      eachService(s, (i) => {
        counts[components.component[i]!]!++
      })
    }
    if (total < requests || seen.size < endpoints) return
    const common = new Set<number>()
    counts.forEach((n, component) => {
      if (n > 0 && n >= (percent / 100) * total) common.add(component)
    })
    if (common.size === 0) return
    for (let s = 0; s < samples.count; s++) {
      if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
      eachService(s, (i) => {
        if (!common.has(components.component[i]!)) return
        const component = dictionary.components[components.component[i]!]!
        const { operation } = dictionary.endpoints[samples.endpoint[s]!]!
        report(s, samples.durationNs[s]! - components.ifInstantNs[i]!, {
          subject: { component, service: component.name, caller: '', operation },
          amount: 1,
          spentNs: components.criticalNs[i]!,
        })
      })
    }
  },
  advice: ({ service }, { spentNs }) =>
    `every request waits for ${service} (${inMs(spentNs)} here): what makes it faster makes all faster, and when it is down nothing works; cache its answers, or do without it where possible.`,
})
