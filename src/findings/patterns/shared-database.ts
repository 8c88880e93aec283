import { definePattern } from '../pattern.ts'

/** Samples of a batch that are named for it: it is either shared or not. */
const NAMED = 200

export const sharedDatabase = definePattern({
  id: 'shared-database',
  title: 'Shared database',
  thresholds: {
    services: { value: 2, unit: 'services in one namespace', source: 'each can slow the others down' },
  },
  weigh(analysis, { services }, report) {
    const { samples, components, segments, spans } = analysis
    const { dictionary } = spans
    /** Services with a query of a database, as far as it is on a path. */
    const users = new Map<number, Set<string>>()
    const isNamed = dictionary.components.map(({ kind, name }) => kind === 'database' && name.includes('/'))
    if (!isNamed.includes(true)) return
    const known = new Set<number>()
    for (let i = 0; i < segments.count; i++) {
      const component = segments.component[i]!
      if (!isNamed[component]) continue
      const service = dictionary.shapeService[spans.shape[segments.span[i]!]!]!
      const pair = component * 2 ** 20 + service
      if (known.has(pair)) continue
      known.add(pair)
      const of = users.get(component)
      if (of === undefined) users.set(component, new Set([dictionary.services[service]!]))
      else of.add(dictionary.services[service]!)
    }
    if (![...users.values()].some((of) => of.size >= services)) return
    const named = new Map<number, number>()
    for (let s = 0; s < samples.count; s++) {
      if (samples.counted[s] === 0) continue
      const last = s + 1 < samples.count ? samples.firstComponent[s + 1]! : components.count
      for (let i = samples.firstComponent[s]!; i < last; i++) {
        const component = components.component[i]!
        const of = users.get(component)
        if (of === undefined || of.size < services || (named.get(component) ?? 0) >= NAMED) continue
        named.set(component, (named.get(component) ?? 0) + 1)
        const { service, operation } = dictionary.endpoints[samples.endpoint[s]!]!
        report(s, 0, {
          subject: {
            component: dictionary.components[component]!,
            service,
            caller: operation,
            operation: [...of].sort().join(', '),
          },
          amount: of.size,
          spentNs: components.criticalNs[i]!,
        })
      }
    }
  },
  advice: ({ operation, component }) =>
    `${component.name} is used by ${operation}: a slow query or a lock of one is felt by all; give each a namespace, or an interface, of its own.`,
})
