import type { Analysis } from '../../analysis/result.ts'
import type { Dictionary } from '../../trace/dictionary.ts'
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
    const { samples, components, spans } = analysis
    const { dictionary } = spans
    const users = usersOf(analysis, services)
    if (![...users.values()].some((of) => of.size >= services)) return undefined
    const named = new Map<number, number>()
    return (s, first, last) => {
      for (let i = first; i < last; i++) {
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

/** Of databases that so many services may use: the services with a query of it on a path. */
function usersOf({ segments, spans }: Analysis, least: number): Map<number, Set<string>> {
  const { services, shapeService, shapeComponent } = spans.dictionary
  const candidates = candidatesOf(spans.dictionary, least)
  const users = new Map<number, Set<string>>()
  if (!candidates.includes(1)) return users
  /** By shape: its query is known. A driver's own transport is its service's, as its query is. */
  const known = new Uint8Array(shapeService.length)
  for (let i = 0; i < segments.count; i++) {
    const component = segments.component[i]!
    if (candidates[component] === 0) continue
    const shape = spans.shape[segments.span[i]!]!
    if (known[shape] === 1 && shapeComponent[shape] === component) continue
    known[shape] = 1
    const service = services[shapeService[shape]!]!
    const of = users.get(component)
    if (of === undefined) users.set(component, new Set([service]))
    else of.add(service)
  }
  return users
}

/** By component: 1 where it is a namespace that so many services have queries for, on a path or not. */
function candidatesOf(
  { components, shapeCount, shapeComponent, shapeService }: Dictionary,
  least: number,
): Uint8Array {
  const services = new Map<number, Set<number>>()
  for (let shape = 0; shape < shapeCount; shape++) {
    const component = shapeComponent[shape]!
    const { kind, name } = components[component]!
    if (kind !== 'database' || !name.includes('/')) continue
    const of = services.get(component)
    if (of === undefined) services.set(component, new Set([shapeService[shape]!]))
    else of.add(shapeService[shape]!)
  }
  const candidates = new Uint8Array(components.length)
  for (const [component, of] of services) if (of.size >= least) candidates[component] = 1
  return candidates
}
