import type { ShapeFields } from './shape.ts'

/** Whom a span's own work is charged to. `queue` belongs to no span: it is the wait before a consumer. */
export const COMPONENT_KINDS = ['database', 'external', 'messaging', 'network', 'queue', 'service'] as const
export type ComponentKind = (typeof COMPONENT_KINDS)[number]
export type Component = { readonly kind: ComponentKind; readonly name: string }

/** The rules that need no other span, first match wins. `external` yields to `network` where a callee is found. */
type Rule = {
  kind: ComponentKind
  applies: (shape: ShapeFields) => boolean
  name: (shape: ShapeFields) => string
  /** The spans this row charges are a driver's: their transport below is charged to them. */
  driver?: boolean
}

const RULES: readonly Rule[] = [
  {
    kind: 'database',
    applies: (s) => s.dbSystem !== '' && s.kind !== 'SERVER',
    name: (s) =>
      s.dbNamespace !== ''
        ? `${s.dbSystem}/${s.dbNamespace}`
        : s.serverAddress !== ''
          ? `${s.dbSystem}@${s.serverAddress}`
          : s.dbSystem,
    driver: true,
  },
  {
    kind: 'messaging',
    applies: (s) => s.kind === 'PRODUCER' || (s.kind === 'CLIENT' && s.messagingSystem !== ''),
    name: queueName,
    driver: true,
  },
  {
    kind: 'external',
    applies: (s) => s.kind === 'CLIENT',
    name: (s) => s.serverAddress || s.peerService || s.name,
  },
  { kind: 'service', applies: () => true, name: (s) => s.service },
]

/** What a span of this shape is charged to when neither its parent nor a callee says otherwise. */
export function componentOf(shape: ShapeFields): { component: Component; driver: boolean } {
  const rule = RULES.find((r) => r.applies(shape))!
  return {
    component: { kind: rule.kind, name: rule.name(shape) },
    driver: rule.driver === true && (shape.kind === 'CLIENT' || shape.kind === 'PRODUCER'),
  }
}

/** Where the message of a PRODUCER or CONSUMER waits. */
export function queueOf(shape: ShapeFields): Component {
  return { kind: 'queue', name: queueName(shape) }
}

function queueName({ messagingSystem, destination, name }: ShapeFields): string {
  return `${messagingSystem || 'unknown'}/${destination || name}`
}

/** Everything between the caller's and the callee's clock: wire, TLS, pools, accept queues. */
export function transitName(callerService: string, calleeService: string): string {
  return `${callerService}->${calleeService}`
}

/** What the components beyond a sample's first 64 are counted as. */
export const OTHER_COMPONENT: Component = { kind: 'service', name: '(other)' }

/** By kind, then name. */
export function compareComponents(a: Component, b: Component): number {
  return a.kind !== b.kind ? (a.kind < b.kind ? -1 : 1) : a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
