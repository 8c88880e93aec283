import type { Analysis } from '../../analysis/result.ts'
import { SERVICE } from '../../analysis/result.ts'
import type { CallIndex } from '../calls.ts'
import { definePattern } from '../pattern.ts'
import { inPercent, inTime, MS } from '../words.ts'

export const ownWork = definePattern({
  id: 'own-work',
  title: 'Own work dominates',
  isLatencyOnly: true,
  thresholds: {
    percent: { value: 50, unit: '% of the request', source: 'more than everything it waits for' },
    lengthMs: { value: 100, unit: 'ms', source: 'people notice from about here (Nielsen)' },
    requestsPercent: { value: 5, unit: '% of the requests', source: 'fewer do not reach the p95' },
    wonPercent: {
      value: 50,
      unit: '% of its time that is won without it, or the advice says what is not',
      source: 'less: what runs beside it takes over',
    },
  },
  leastShare: ({ requestsPercent }) => requestsPercent / 100,
  watch(analysis, { percent, lengthMs }, report, index) {
    const { samples, components, spans } = analysis
    const { dictionary } = spans
    return (s, first, last) => {
      const durationNs = samples.durationNs[s]!
      if (durationNs < lengthMs * MS) return
      for (let i = first; i < last; i++) {
        const criticalNs = components.criticalNs[i]!
        if (criticalNs < lengthMs * MS || criticalNs < (percent / 100) * durationNs) continue
        const component = dictionary.components[components.component[i]!]!
        if (component.kind !== 'service') continue
        const endpoint = dictionary.endpoints[samples.endpoint[s]!]!
        const operation =
          samples.kind[s] === SERVICE ? '' : mainOperation(analysis, s, components.component[i]!, index)
        if (operation === '' && component.name !== endpoint.service) continue
        const subject = {
          component,
          service: component.name,
          caller: '',
          operation: operation || endpoint.operation,
        }
        const amount = criticalNs / durationNs
        report(s, durationNs - components.ifInstantNs[i]!, { subject, amount, spentNs: criticalNs })
      }
    }
  },
  advice: ({ service, operation }, { amount, spentNs, saved, entries, found }, { wonPercent }) => {
    const savedNs = (saved.meanNs * entries) / Math.max(1, found)
    const what = `${service} ${operation} works or blocks for ${inTime(spentNs)} itself, ${inPercent(amount)} of the request`
    return savedNs < (wonPercent! / 100) * spentNs
      ? `${what}, but what runs beside it takes over: ${inTime(savedNs)} are won without it, so look at that as well.`
      : `${what}: profile it; if the processor idles meanwhile, it waits for something that has no span.`
  },
})

/** Of an entry: the operation of the span in which the component has most time on the path. */
function mainOperation(
  { samples, segments, spans }: Analysis,
  s: number,
  component: number,
  index: CallIndex,
): string {
  const last = s + 1 < samples.count ? samples.firstSegment[s + 1]! : segments.count
  const bySpan = new Map<number, number>()
  let most = -1
  for (let i = samples.firstSegment[s]!; i < last; i++) {
    if (segments.component[i] !== component) continue
    const span = segments.span[i]!
    bySpan.set(span, (bySpan.get(span) ?? 0) + segments.endNs[i]! - segments.startNs[i]!)
    if (most < 0 || bySpan.get(span)! > bySpan.get(most)!) most = span
  }
  return most < 0 ? '' : index.operationOf(spans.shape[most]!)
}
