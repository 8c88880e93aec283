import type { Endpoint } from '../trace/dictionary.ts'

/** An instrumentation that puts ids into span names must not fill the store with endpoints. */
export const ENDPOINTS_PER_SERVICE = 500
export const OTHER_ENDPOINT = '(other)'

export type EndpointNames = {
  /** The operation to store for an endpoint: its own, or `(other)` where its service has too many. */
  nameOf(endpoint: Endpoint): string
  /** Samples that were stored under `(other)`. */
  readonly capped: number
}

/** `known`: what is stored already, so that a restart does not let 500 more in. */
export function createEndpointNames(known: Iterable<{ Service: string; Operation: string }>): EndpointNames {
  const operations = new Map<string, Set<string>>()
  const of = (service: string) => {
    let set = operations.get(service)
    if (set === undefined) {
      set = new Set()
      operations.set(service, set)
    }
    return set
  }
  for (const { Service, Operation } of known) of(Service).add(Operation)
  const names = {
    capped: 0,
    nameOf({ service, operation }: Endpoint): string {
      const set = of(service)
      if (set.has(operation)) return operation
      if (set.size >= ENDPOINTS_PER_SERVICE) {
        names.capped++
        return OTHER_ENDPOINT
      }
      set.add(operation)
      return operation
    },
  }
  return names
}
