import type { Analysis } from '../../analysis/result.ts'
import type { Dictionary } from '../../trace/dictionary.ts'
import { definePattern } from '../pattern.ts'
import type { Subject } from '../subject.ts'

export const sharedDatabase = definePattern({
  id: 'shared-database',
  title: 'Shared database',
  thresholds: {
    services: { value: 2, unit: 'services in one namespace', source: 'each can slow the others down' },
  },
  weigh(analysis, { services }, report) {
    const { samples, components, spans, segments } = analysis
    const { dictionary } = spans
    const databases = databasesOf(analysis, services)
    if (databases.size === 0) return undefined
    const peerOf = peersOf(dictionary)
    /** By component, database of it and endpoint: the same for thousands of samples. */
    const subjects = new Map<string, Subject>()
    return (s, first, last) => {
      for (let i = first; i < last; i++) {
        const component = components.component[i]!
        const byEnvironment = databases.get(component)
        if (byEnvironment === undefined) continue
        const endpoint = samples.endpoint[s]!
        const of = byEnvironment.get(dictionary.endpoints[endpoint]!.environment)
        const shared = of?.isOne ? of.shared[0] : of?.shared.find(({ peer }) => isUsed(s, component, peer))
        if (of === undefined || shared === undefined) continue
        const key = `${component} ${shared.peer} ${endpoint}`
        let subject = subjects.get(key)
        if (subject === undefined) {
          const { service, operation } = dictionary.endpoints[endpoint]!
          const where = of.isOne ? '' : ` at ${shared.peer}`
          subject = {
            component: dictionary.components[component]!,
            service,
            caller: operation,
            operation: `${[...shared.services].sort().join(', ')}${where}`,
          }
          subjects.set(key, subject)
        }
        report(s, 0, { subject, amount: shared.services.size, spentNs: components.criticalNs[i]! })
      }
    }

    /** Whether the sample's path goes through that database of several with one name. */
    function isUsed(s: number, component: number, peer: string): boolean {
      const last = s + 1 < samples.count ? samples.firstSegment[s + 1]! : segments.count
      for (let i = samples.firstSegment[s]!; i < last; i++) {
        if (segments.component[i] !== component) continue
        const own = peerOf(spans.detail[segments.span[i]!]!)
        if (own === peer || (own !== '' && peer.startsWith(`${own}:`))) return true
      }
      return false
    }
  },
  advice: ({ operation, component }) =>
    `${component.name} is used by ${operation}: a slow query or a lock of one is felt by all; give each a namespace, or an interface, of its own.`,
})

/** One database of a component, by its address and port; '': nothing says it. */
type Shared = { peer: string; services: Set<string> }
/** Those that so many services share. `isOne`: the component's name stands for one database only, as far as is known. */
type Databases = { isOne: boolean; shared: Shared[] }

/** By component and environment. */
type AllDatabases = Map<number, Map<string, Databases>>

/**
 * The same namespace at another address is another database: every Redis has a 0. Where spans say one address or none,
 * it is one, within an environment.
 */
function databasesOf(analysis: Analysis, least: number): AllDatabases {
  const databases: AllDatabases = new Map()
  for (const { component, environment, byPeer } of usersOf(analysis, least)) {
    joinHosts(byPeer)
    const isOne = [...byPeer.keys()].filter((peer) => peer !== '').length <= 1
    const all: Shared[] = isOne
      ? [{ peer: '', services: new Set([...byPeer.values()].flatMap((of) => [...of])) }]
      : [...byPeer].map(([peer, of]) => ({ peer, services: of })).filter(({ peer }) => peer !== '')
    const shared = all.filter((one) => one.services.size >= least)
    if (shared.length === 0) continue
    if (!databases.has(component)) databases.set(component, new Map())
    databases.get(component)!.set(environment, { isOne, shared })
  }
  return databases
}

/** Services with a query on a path, by the address it goes to; '': it does not say. */
type Users = { component: number; environment: string; byPeer: Map<string, Set<string>> }

/** Of databases that so many services may use. */
function usersOf({ segments, spans }: Analysis, least: number): Iterable<Users> {
  const { dictionary, shape, detail } = spans
  const { shapeService, shapeComponent } = dictionary
  const candidates = candidatesOf(dictionary, least)
  const users = new Map<string, Users>()
  if (!candidates.includes(1)) return []
  const peerOf = peersOf(dictionary)
  /** By shape: the detail of the query known last, plus 1. */
  const known = new Uint32Array(shapeService.length)
  for (let i = 0; i < segments.count; i++) {
    const component = segments.component[i]!
    if (candidates[component] === 0) continue
    const row = segments.span[i]!
    const s = shape[row]!
    // A driver's own transport is its service's, as its query is.
    const isQuery = shapeComponent[s] === component
    if (isQuery && known[s] === 1 + detail[row]!) continue
    if (isQuery) known[s] = 1 + detail[row]!
    const { environment, service } = dictionary.fields(s)
    const key = `${component} ${environment}`
    let of = users.get(key)
    if (of === undefined) {
      of = { component, environment, byPeer: new Map() }
      users.set(key, of)
    }
    const peer = isQuery ? peerOf(detail[row]!) : ''
    const services = of.byPeer.get(peer)
    if (services === undefined) of.byPeer.set(peer, new Set([service]))
    else services.add(service)
  }
  return users.values()
}

/** A host that is also known with its port, and with one only, is the same. */
function joinHosts(byPeer: Map<string, Set<string>>): void {
  for (const [host, of] of byPeer) {
    const ports = [...byPeer.keys()].filter((peer) => host !== '' && peer.startsWith(`${host}:`))
    if (ports.length !== 1) continue
    for (const service of of) byPeer.get(ports[0]!)!.add(service)
    byPeer.delete(host)
  }
}

/** By detail. */
function peersOf({ details }: Dictionary): (detail: number) => string {
  const peers: string[] = []
  return (detail) => (peers[detail] ??= details.fields(detail).peer)
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
