import { type Component, type ComponentKind, componentOf, transitName } from './component.ts'
import { createDetailDictionary, type DetailDictionary } from './detail.ts'
import { frameNameOf, operationOf } from './operation.ts'
import { type ShapeFields, shapeFieldsOf } from './shape.ts'
import { CLIENT, INTERNAL, kindCode } from './span.ts'

/** Flags of a shape, in `Dictionary.shapeFlags`. */
export const IS_DRIVER = 1 // charged by the database or the messaging row, and CLIENT or PRODUCER
export const IS_TRANSPORT = 2 // may be a driver's own transport: INTERNAL or CLIENT with a transport attribute
export const IS_EXTERNAL = 4 // CLIENT that yields to `network` where a callee is found
export const IS_RECEIVE = 8 // messaging.operation.type = receive: idle waiting

export type Endpoint = {
  readonly environment: string
  readonly namespace: string
  readonly service: string
  readonly operation: string
}

export type Frame = { readonly component: number; readonly name: string }

/**
 * Every string of the spans, interned once. Hot loops read the typed arrays by shape id; they are replaced when they
 * grow, so take them anew after interning.
 */
export type Dictionary = {
  /** Shape id of a key (see shape.ts). */
  shape(key: string): number
  fields(shape: number): ShapeFields
  /** Component id of {kind, name}. */
  component(component: Component): number
  /** Component id of the transit between two services (by service id). */
  transit(callerService: number, calleeService: number): number
  /** Number of what a span does, whichever instance or version of its service: its kind, service, name, component. */
  call(shape: number, component: number): number
  /** Endpoint id of a shape. */
  endpoint(shape: number): number
  /** Frame id of a span of a call stack: its component, and what it does within it. */
  frame(shape: number, component: number): number
  readonly components: readonly Component[]
  readonly endpoints: readonly Endpoint[]
  readonly frames: readonly Frame[]
  readonly services: readonly string[]
  readonly details: DetailDictionary
  readonly shapeCount: number
  /** Per shape: kind code, service id, instance id (of that service), flags, component id. */
  readonly shapeKind: Uint8Array
  readonly shapeService: Int32Array
  readonly shapeInstance: Int32Array
  readonly shapeFlags: Uint8Array
  readonly shapeComponent: Int32Array
}

/** Shapes, and details, up to 1 KB each, that a dictionary should have at the most. */
const TEXTS_KEPT = 100_000

/** Whether to start anew with another one: some instrumentation makes names, or queries, without end. */
export function isFull({ shapeCount, details }: { shapeCount: number; details: { count: number } }): boolean {
  return shapeCount > TEXTS_KEPT || details.count > TEXTS_KEPT
}

export function createDictionary(): Dictionary {
  const shapeIds = new Map<string, number>()
  const fields: ShapeFields[] = []
  const endpointOfShape: number[] = []
  const components: Component[] = []
  const endpoints: Endpoint[] = []
  const services: string[] = []
  const frames: Frame[] = []
  const frameIds = new Map<string, number>()
  const frameOf = new Map<number, number>()
  /** Of each shape, the component and frame asked for last: nearly always those asked for next. */
  const frameAskedOf: number[] = []
  const frameAsked: number[] = []
  const ids = {
    service: new Map<string, number>(),
    instance: new Map<string, number>(),
    call: new Map<string, number>(),
  }
  const callIds = new Map<number, number>()
  const componentIds = new Map<string, number>()
  const endpointIds = new Map<string, number>()
  /** By caller, then callee. */
  const transitIds: number[][] = []

  const dictionary = {
    components,
    endpoints,
    frames,
    services,
    details: createDetailDictionary(),
    shapeCount: 0,
    shapeKind: new Uint8Array(256),
    shapeService: new Int32Array(256),
    shapeInstance: new Int32Array(256),
    shapeFlags: new Uint8Array(256),
    shapeComponent: new Int32Array(256),

    shape(key: string): number {
      const known = shapeIds.get(key)
      if (known !== undefined) return known
      const id = dictionary.shapeCount++
      shapeIds.set(key, id)
      if (id === dictionary.shapeKind.length) growShapes()
      const shape = shapeFieldsOf(key)
      fields.push(shape)
      endpointOfShape.push(-1)
      frameAskedOf.push(-1)
      frameAsked.push(-1)
      const kind = kindCode(shape.kind)
      const service = intern(ids.service, shape.service)
      if (service === services.length) services.push(shape.service)
      const { component, driver } = componentOf(shape)
      dictionary.shapeKind[id] = kind
      dictionary.shapeService[id] = service
      dictionary.shapeInstance[id] = intern(ids.instance, `${service}\n${shape.instance}`)
      dictionary.shapeComponent[id] = dictionary.component(component)
      dictionary.shapeFlags[id] =
        (driver ? IS_DRIVER : 0) |
        (shape.transport !== '' && mayBeTransport(kind, component.kind) ? IS_TRANSPORT : 0) |
        (component.kind === 'external' ? IS_EXTERNAL : 0) |
        (shape.messagingOperation === 'receive' ? IS_RECEIVE : 0)
      return id
    },

    fields: (shape: number) => fields[shape]!,

    component(component: Component): number {
      const key = `${component.kind}\n${component.name}`
      const id = intern(componentIds, key)
      if (id === components.length) components.push(component)
      return id
    },

    transit(caller: number, callee: number): number {
      const ids = (transitIds[caller] ??= [])
      return (ids[callee] ??= dictionary.component({
        kind: 'network',
        name: transitName(services[caller]!, services[callee]!),
      }))
    },

    call(shape: number, component: number): number {
      const pair = shape * 2 ** 26 + component
      let id = callIds.get(pair)
      if (id === undefined) {
        const { kind, service, name } = fields[shape]!
        id = intern(ids.call, `${kind}\n${service}\n${name}\n${component}`)
        callIds.set(pair, id)
      }
      return id
    },

    endpoint(shape: number): number {
      const known = endpointOfShape[shape]!
      if (known >= 0) return known
      const { environment, namespace, service } = fields[shape]!
      const endpoint = { environment, namespace, service, operation: operationOf(fields[shape]!) }
      const id = intern(endpointIds, JSON.stringify([environment, namespace, service, endpoint.operation]))
      if (id === endpoints.length) endpoints.push(endpoint)
      endpointOfShape[shape] = id
      return id
    },

    frame(shape: number, component: number): number {
      if (frameAskedOf[shape] === component) return frameAsked[shape]!
      const pair = shape * 2 ** 26 + component
      let id = frameOf.get(pair)
      if (id === undefined) {
        const name = frameNameOf(fields[shape]!)
        id = intern(frameIds, `${component}\n${name}`)
        if (id === frames.length) frames.push({ component, name })
        frameOf.set(pair, id)
      }
      frameAskedOf[shape] = component
      frameAsked[shape] = id
      return id
    },
  }
  return dictionary

  function growShapes() {
    const length = dictionary.shapeKind.length * 2
    dictionary.shapeKind = grown(dictionary.shapeKind, new Uint8Array(length))
    dictionary.shapeFlags = grown(dictionary.shapeFlags, new Uint8Array(length))
    dictionary.shapeService = grown(dictionary.shapeService, new Int32Array(length))
    dictionary.shapeInstance = grown(dictionary.shapeInstance, new Int32Array(length))
    dictionary.shapeComponent = grown(dictionary.shapeComponent, new Int32Array(length))
  }
}

/** Only what the database and messaging rows left over can be charged by the transport row. */
function mayBeTransport(kind: number, component: ComponentKind): boolean {
  return (kind === INTERNAL && component === 'service') || (kind === CLIENT && component === 'external')
}

function intern(ids: Map<string, number>, key: string): number {
  let id = ids.get(key)
  if (id === undefined) {
    id = ids.size
    ids.set(key, id)
  }
  return id
}

function grown<T extends Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from)
  return to
}
