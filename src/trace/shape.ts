/**
 * A span's **shape** is everything the analysis needs to know about it besides ids, times and status: who it
 * belongs to, what it calls, how its endpoint is named. Millions of spans share some hundred shapes, so a span
 * carries one number and every rule that depends on attributes is worked out once a shape.
 *
 * A shape travels as its **key**: the fields below joined by `SHAPE_SEPARATOR` (the store computes the same key in
 * SQL, see schema/). An absent attribute and an empty one are the same thing: ''.
 */
export const SHAPE_FIELDS = [
  'kind', // CLIENT, CONSUMER, INTERNAL, PRODUCER or SERVER
  'service', // service.name, 'unknown_service' where there is none
  'name', // span name
  'environment', // deployment.environment.name
  'namespace', // service.namespace
  'version', // service.version
  'instance', // service.instance.id, else host.name
  'dbSystem', // db.system.name, else db.system
  'dbNamespace', // db.namespace, else db.name
  'querySummary', // db.query.summary
  'serverAddress', // server.address
  'peerService', // peer.service
  'messagingSystem', // messaging.system
  'destination', // messaging.destination.name
  'messagingOperation', // messaging.operation.type
  'httpMethod', // http.request.method
  'httpRoute', // http.route
  'rpcMethod', // rpc.method
  'transport', // '1' where any attribute under TRANSPORT_PREFIXES is present
] as const

export type ShapeFields = Record<(typeof SHAPE_FIELDS)[number], string>

/** ASCII unit separator; taken out of the fields themselves. */
export const SHAPE_SEPARATOR = '\x1f'

/** Attributes that mark a span as a driver's own transport (its TCP connect, its HTTP call). */
export const TRANSPORT_PREFIXES = ['http.', 'url.', 'network.', 'net.', 'server.', 'dns.', 'tls.'] as const

export const UNKNOWN_SERVICE = 'unknown_service'

export function shapeKeyOf(fields: ShapeFields): string {
  let key = fields.kind
  for (let i = 1; i < SHAPE_FIELDS.length; i++) {
    const value = fields[SHAPE_FIELDS[i]!]
    key += SHAPE_SEPARATOR
    key += value.includes(SHAPE_SEPARATOR) ? value.replaceAll(SHAPE_SEPARATOR, ' ') : value
  }
  return key
}

export function shapeFieldsOf(key: string): ShapeFields {
  const values = key.split(SHAPE_SEPARATOR)
  return Object.fromEntries(SHAPE_FIELDS.map((field, i) => [field, values[i] ?? ''])) as ShapeFields
}

export type AttributeMap = Readonly<Record<string, unknown>>

/**
 * The shape of a span given with its attributes as plain values (strings, numbers, booleans, arrays, objects).
 * `kind` is a name out of SPAN_KINDS.
 */
export function shapeFieldsFrom(
  kind: string,
  name: string,
  resource: AttributeMap,
  attributes: AttributeMap,
): ShapeFields {
  const text = (map: AttributeMap, key: string) => {
    const value = map[key]
    if (value === undefined || value === null) return ''
    return typeof value === 'string'
      ? value
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value)
  }
  let transport = ''
  for (const key in attributes) {
    if (TRANSPORT_PREFIXES.some((prefix) => key.startsWith(prefix)) && text(attributes, key) !== '') {
      transport = '1'
      break
    }
  }
  return {
    kind,
    service: text(resource, 'service.name') || UNKNOWN_SERVICE,
    name,
    environment: text(resource, 'deployment.environment.name'),
    namespace: text(resource, 'service.namespace'),
    version: text(resource, 'service.version'),
    instance: text(resource, 'service.instance.id') || text(resource, 'host.name'),
    dbSystem: text(attributes, 'db.system.name') || text(attributes, 'db.system'),
    dbNamespace: text(attributes, 'db.namespace') || text(attributes, 'db.name'),
    querySummary: text(attributes, 'db.query.summary'),
    serverAddress: text(attributes, 'server.address'),
    peerService: text(attributes, 'peer.service'),
    messagingSystem: text(attributes, 'messaging.system'),
    destination: text(attributes, 'messaging.destination.name'),
    messagingOperation: text(attributes, 'messaging.operation.type'),
    httpMethod: text(attributes, 'http.request.method'),
    httpRoute: text(attributes, 'http.route'),
    rpcMethod: text(attributes, 'rpc.method'),
    transport,
  }
}
