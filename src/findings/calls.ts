import type { Component } from '../trace/component.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { operationOf } from '../trace/operation.ts'
import { CLIENT, SERVER } from '../trace/span.ts'
import type { TraceTree } from '../trace/tree.ts'
import { type Chains, createChains } from './chains.ts'
import { isForAfterwards, isReading, isReadingCall, isWriting, marksOf } from './names.ts'
import { createPairTable } from './pair-table.ts'

/** What a span is to findings, by the component it is charged to. */
export const OWN = 0
export const QUERY = 1
/** To another service, in the trace or outside. */
export const REMOTE = 2
export const MESSAGE = 3

const ROLES: Readonly<Record<Component['kind'], number>> = {
  service: OWN,
  database: QUERY,
  network: REMOTE,
  external: REMOTE,
  messaging: MESSAGE,
  queue: OWN,
}

/** What is called: the same number, the same operation, whichever instance calls it. */
export type Call = {
  component: Component
  /** The component's name; of an external one without an address, what older conventions say. */
  peer: string
  service: string
  label: string
  isRead: boolean
  /** A write that an answer seldom depends on, by what it is called. */
  isAfterwards: boolean
}

/** Calls of one dictionary, worked out once each. */
export type CallIndex = {
  readonly dictionary: Dictionary
  readonly calls: readonly Call[]
  /** Role of a component. */
  roleOf(component: number): number
  /** The roles as an array, for hot loops; take it anew for each trace. */
  roles(): Uint8Array
  /** By shape: what its name says. */
  marks(): Uint8Array
  callOf(tree: TraceTree, span: number): number
  /** The number of a query, by shape and detail. */
  queryOf(shape: number, detail: number): number
  /** By shape, as endpoints are named. */
  operationOf(shape: number): string
  readonly chains: Chains
}

/** What is left of a query in JSON may be `{?:{?:?}}`: its span's name says more. */
const READABLE = /[a-z]/i

export function createCallIndex(dictionary: Dictionary): CallIndex {
  let roles = new Uint8Array(64)
  let known = 0
  let marks = new Uint8Array(256)
  let marked = 0
  const calls: Call[] = []
  const operations: string[] = []
  const numbers = new Map<string, number>()
  /** By shape and what else decides: the detail, or the callee's shape. */
  const byPair = createPairTable()
  /** By shape where nothing else decides, plus 1. */
  let byShape = new Int32Array(256)

  const index: CallIndex = {
    dictionary,
    calls,
    roleOf: (component) => index.roles()[component]!,
    roles() {
      const { components } = dictionary
      if (components.length > roles.length) {
        const wider = new Uint8Array(2 * components.length)
        wider.set(roles)
        roles = wider
      }
      for (; known < components.length; known++) roles[known] = ROLES[components[known]!.kind]
      return roles
    },
    marks() {
      if (dictionary.shapeCount > marks.length) {
        const wider = new Uint8Array(2 * dictionary.shapeCount)
        wider.set(marks)
        marks = wider
      }
      for (; marked < dictionary.shapeCount; marked++) {
        marks[marked] = marksOf(dictionary.fields(marked))
      }
      return marks
    },
    callOf(tree, span) {
      const shape = tree.shape[span]!
      const component = tree.component[span]!
      const detail = tree.spans.detail[tree.row[span]!]!
      const callee = roles[component] === REMOTE ? calleeOf(tree, span) : -1
      return numberOf(shape, component, detail, callee < 0 ? -1 : tree.shape[callee]!)
    },
    queryOf: (shape, detail) => numberOf(shape, dictionary.shapeComponent[shape]!, detail, -1),
    operationOf: (shape) => (operations[shape] ??= operationOf(dictionary.fields(shape))),
    chains: createChains(dictionary.services),
  }
  return index

  function numberOf(shape: number, component: number, detail: number, calleeShape: number): number {
    if (calleeShape < 0) {
      // A driver's transport, charged to what it is for.
      if (component !== dictionary.shapeComponent[shape]) return intern(shape, component, detail, -1)
      if (detail === 0) {
        if (shape >= byShape.length) byShape = widened(byShape, dictionary.shapeCount)
        byShape[shape] ||= 1 + intern(shape, component, detail, calleeShape)
        return byShape[shape]! - 1
      }
    }
    const other = calleeShape >= 0 ? 1 + 2 * calleeShape : 2 * detail
    let number = byPair.get(shape, other)
    if (number < 0) {
      number = intern(shape, component, detail, calleeShape)
      byPair.set(shape, other, number)
    }
    return number
  }

  function intern(shapeId: number, component: number, detail: number, calleeShape: number): number {
    const shape = dictionary.fields(shapeId)
    const { query, method, urlTemplate, rpcService, peer, destination } = dictionary.details.fields(detail)
    const of = dictionary.components[component]!
    let label = shape.querySummary || (READABLE.test(query) ? query : shape.name)
    // Older conventions name the peer otherwise than components do.
    const whom =
      of.kind === 'external' && shape.serverAddress === '' ? shape.peerService || peer || of.name : of.name
    let isRead = !isWriting(shape.name) && isReading(query === '' ? label : query)
    if (calleeShape >= 0) {
      const called = dictionary.fields(calleeShape)
      label = `${called.service} ${operationOf(called)}`
      isRead = isReadingCall(called.httpMethod || method, called.rpcMethod || shape.name)
    } else if (of.kind === 'external') {
      const what = urlTemplate || (shape.rpcMethod !== '' ? `${rpcService}/${shape.rpcMethod}` : '')
      const name = what === '' ? shape.name : `${method} ${what}`.trim()
      // Where nothing names the peer, the component has the span's name.
      label = name === whom ? name : `${name} ${whom}`
      isRead = isReadingCall(method || shape.httpMethod, shape.rpcMethod || shape.name)
    } else if (of.kind === 'messaging') {
      label = destination || shape.name
      isRead = false
    }
    const key = [shape.kind, shape.service, of.kind, of.name, whom, shape.name, label, query].join('\n')
    let number = numbers.get(key)
    if (number === undefined) {
      const shown = shortened(label)
      const isAfterwards = !isRead && isForAfterwards(`${shown} ${of.name}`)
      number =
        calls.push({
          component: of,
          peer: whom,
          service: shape.service,
          label: shown,
          isRead,
          isAfterwards,
        }) - 1
      numbers.set(key, number)
    }
    return number
  }
}

function widened(from: Int32Array<ArrayBuffer>, least: number): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(2 * least)
  wider.set(from)
  return wider
}

/** Live children come first: the SERVER a CLIENT reached, -1 if there is none. */
export function calleeOf(tree: TraceTree, span: number): number {
  if (tree.kind[span] !== CLIENT) return -1
  const first = tree.firstChild[span]!
  const end = tree.firstChild[span + 1]!
  for (let slot = first; slot < end; slot++) {
    const c = tree.child[slot]!
    if (tree.kind[c] === SERVER || tree.service[c] !== tree.service[span]) return c
  }
  return -1
}

/** Labels are read by people: a query of many lines is not. */
const LABEL_LENGTH = 120
function shortened(label: string): string {
  return label.length <= LABEL_LENGTH ? label : `${label.slice(0, LABEL_LENGTH - 3)}...`
}
