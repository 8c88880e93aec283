import { type Analysis, SERVICE } from '../../analysis/result.ts'
import type { Dictionary } from '../../trace/dictionary.ts'
import { definePattern } from '../pattern.ts'
import { inTime } from '../words.ts'

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
    const { total, seen } = countEntries(analysis)
    if (total < requests || seen < endpoints) return undefined
    const own = ownComponents(dictionary)
    const common = commonServices(analysis, own, total, (percent / 100) * total)
    if (!common.includes(1)) return undefined
    return (s, first, last) => {
      if (samples.kind[s] === SERVICE) return
      const endpoint = samples.endpoint[s]!
      for (let i = first; i < last; i++) {
        if (common[components.component[i]!] === 0 || components.component[i] === own[endpoint]) continue
        const component = dictionary.components[components.component[i]!]!
        const { operation } = dictionary.endpoints[endpoint]!
        report(s, samples.durationNs[s]! - components.ifInstantNs[i]!, {
          subject: { component, service: component.name, caller: '', operation },
          amount: 1,
          spentNs: components.criticalNs[i]!,
        })
      }
    }
  },
  advice: ({ service }, { spentNs }) =>
    `every request waits for ${service} (${inTime(spentNs)} here): what makes it faster makes all faster, and when it is down nothing works; cache its answers, or do without it where possible.`,
})

/** Entries that count, and how many endpoints they are of. */
function countEntries({ samples, spans }: Analysis): { total: number; seen: number } {
  const isSeen = new Uint8Array(spans.dictionary.endpoints.length)
  let total = 0
  let seen = 0
  for (let s = 0; s < samples.count; s++) {
    if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
    total++
    const endpoint = samples.endpoint[s]!
    if (isSeen[endpoint] === 1) continue
    isSeen[endpoint] = 1
    seen++
  }
  return { total, seen }
}

/** By endpoint: the component of its own service, -1 if that has none. */
function ownComponents({ components, endpoints }: Dictionary): Int32Array {
  const byService = new Map<string, number>()
  components.forEach(({ kind, name }, component) => {
    if (kind === 'service') byService.set(name, component)
  })
  return Int32Array.from(endpoints, ({ service }) => byService.get(service) ?? -1)
}

/** After so many entries it is seen whether any service may still be in enough of them; mostly none is. */
const STEP = 200

/** By component: 1 for services, other than their own, that at least so many entries have on their path. */
function commonServices(
  { samples, components, spans }: Analysis,
  own: Int32Array,
  total: number,
  least: number,
): Uint8Array {
  const isService = Uint8Array.from(spans.dictionary.components, ({ kind }) => (kind === 'service' ? 1 : 0))
  const counts = new Uint32Array(isService.length)
  const enough = (left: number) => counts.map((n) => (n > 0 && n + left >= least ? 1 : 0))
  let looked = 0
  for (let s = 0; s < samples.count; s++) {
    if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
    const last = s + 1 < samples.count ? samples.firstComponent[s + 1]! : components.count
    for (let i = samples.firstComponent[s]!; i < last; i++) {
      const component = components.component[i]!
      if (isService[component] === 1 && component !== own[samples.endpoint[s]!]) counts[component]!++
    }
    // A service that none had so far may be in all that are left.
    if (++looked % STEP === 0 && total - looked < least && !enough(total - looked).includes(1)) break
  }
  return Uint8Array.from(enough(total - looked))
}
