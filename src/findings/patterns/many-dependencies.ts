import { SERVICE } from '../../analysis/result.ts'
import { definePattern } from '../pattern.ts'

export const manyDependencies = definePattern({
  id: 'many-dependencies',
  title: 'Many dependencies on the path',
  thresholds: {
    dependencies: {
      value: 10,
      unit: 'databases, queues, external and other services on the critical path',
      source: 'ten that are each up 99.9 % leave 99 %',
    },
  },
  watch({ samples, components, spans }, { dependencies }, report) {
    const { dictionary } = spans
    return (s, first, last) => {
      if (last - first < dependencies || samples.kind[s] === SERVICE) return
      const { service, operation } = dictionary.endpoints[samples.endpoint[s]!]!
      let others = 0
      for (let i = first; i < last; i++) {
        const { kind, name } = dictionary.components[components.component[i]!]!
        if (kind !== 'network' && !(kind === 'service' && name === service)) others++
      }
      if (others < dependencies) return
      const component = { kind: 'service', name: service } as const
      const subject = { component, service, caller: operation, operation }
      report(s, 0, { subject, amount: others, spentNs: samples.durationNs[s]! })
    }
  },
  advice: ({ service, caller }, { amount }) =>
    `${service} ${caller} waits for ${Math.round(amount)} others one way or the other, and is as slow and as often down as all of them together: do without some, or answer before they do.`,
})
