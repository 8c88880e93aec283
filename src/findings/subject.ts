import type { Component, ComponentKind } from '../trace/component.ts'

/** What a finding is about, besides its endpoint: the component it explains, and where in the code. */
export type Subject = {
  component: Component
  /** Whose code it is. */
  service: string
  /** The operation of that service which does it: the nearest SERVER, CONSUMER or entry span's. */
  caller: string
  /** The calls or the operation meant. */
  operation: string
}

const SEPARATOR = '\x1f'

export function subjectKeyOf({ component, service, caller, operation }: Subject): string {
  return [component.kind, component.name, service, caller, operation].join(SEPARATOR)
}

export function subjectOfKey(key: string): Subject {
  const [kind = '', name = '', service = '', caller = '', operation = ''] = key.split(SEPARATOR)
  return { component: { kind: kind as ComponentKind, name }, service, caller, operation }
}
