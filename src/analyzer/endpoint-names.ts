import type { Endpoint } from '../trace/dictionary.ts'

/** An instrumentation that puts ids into span names must not fill the store with endpoints. */
export const ENDPOINTS_PER_SERVICE = 500
/** Nor one that puts them into names of services. */
export const SERVICES = 10_000
export const OTHER = '(other)'

export type EndpointName = Pick<Endpoint, 'service' | 'operation'>

export type EndpointNames = {
  /**
   * Service and operation to store for an endpoint: its own, or `(other)` for the operation where its service has too
   * many, and for both where there are too many services.
   */
  nameOf(endpoint: Endpoint): EndpointName
  /** Samples that were stored under operation `(other)`, and those of them under service `(other)` as well. */
  readonly capped: number
  readonly cappedServices: number
}

const OTHER_SERVICE: EndpointName = { service: OTHER, operation: OTHER }

/** `known`: what is stored already, so that a restart does not let as many more in. */
export function createEndpointNames(
  known: Iterable<{ Service: string; Operation: string }>,
  services = SERVICES,
): EndpointNames {
  const operations = new Map<string, Set<string>>()
  const of = (service: string) => {
    let set = operations.get(service)
    if (set === undefined && operations.size < services) {
      set = new Set()
      operations.set(service, set)
    }
    return set
  }
  for (const { Service, Operation } of known) if (Service !== OTHER) of(Service)?.add(Operation)
  const names = {
    capped: 0,
    cappedServices: 0,
    nameOf(endpoint: Endpoint): EndpointName {
      const { service, operation } = endpoint
      const set = of(service)
      if (set?.has(operation)) return endpoint
      if (set !== undefined && set.size < ENDPOINTS_PER_SERVICE) {
        set.add(operation)
        return endpoint
      }
      names.capped++
      if (set !== undefined) return { service, operation: OTHER }
      names.cappedServices++
      return OTHER_SERVICE
    },
  }
  return names
}
