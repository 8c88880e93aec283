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
  weigh(analysis, { dependencies }, report) {
    const { samples, components, spans } = analysis
    const { dictionary } = spans
    for (let s = 0; s < samples.count; s++) {
      if (samples.counted[s] === 0 || samples.kind[s] === SERVICE) continue
      const last = s + 1 < samples.count ? samples.firstComponent[s + 1]! : components.count
      if (last - samples.firstComponent[s]! < dependencies) continue
      const { service, operation } = dictionary.endpoints[samples.endpoint[s]!]!
      const names: string[] = []
      for (let i = samples.firstComponent[s]!; i < last; i++) {
        const { kind, name } = dictionary.components[components.component[i]!]!
        if (kind !== 'network' && !(kind === 'service' && name === service)) names.push(name)
      }
      if (names.length < dependencies) continue
      const component = { kind: 'service', name: service } as const
      report(s, 0, {
        subject: { component, service, caller: operation, operation },
        amount: names.length,
        spentNs: samples.durationNs[s]!,
      })
    }
  },
  advice: ({ service, caller }, { amount }) =>
    `${service} ${caller} waits for ${Math.round(amount)} others one way or the other, and is as slow and as often down as all of them together: do without some, or answer before they do.`,
})
