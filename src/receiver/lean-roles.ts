import { TRANSPORT_PREFIXES } from '../trace/shape.ts'
import {
  ACTION_ADDRESS,
  ACTION_BODY,
  ACTION_HTTP_URL,
  ACTION_METHOD,
  ACTION_PENDING,
  ACTION_QUERY,
  ACTION_ROWS,
  ACTION_URL_FULL,
  KEYED,
} from './kernel/layout.ts'
import type { Classify } from './text-dictionary.ts'

/**
 * Attributes that decide something in `spans_lean`. A key's **tag** says which it is: its number here plus one, and a
 * bit for those that mark a driver's transport. Dictionaries of keys hold it, so it is worked out once a key and block.
 */
const SPAN_KEYS = [
  'db.system.name',
  'db.system',
  'db.namespace',
  'db.name',
  'db.query.summary',
  'server.address',
  'peer.service',
  'messaging.system',
  'messaging.destination.name',
  'messaging.operation.type',
  'http.request.method',
  'http.route',
  'rpc.method',
  'db.query.text',
  'db.statement',
  'http.method',
  'http.response.status_code',
  'http.status_code',
  'rpc.response.status_code',
  'rpc.grpc.status_code',
  'error.type',
  'http.request.resend_count',
  'http.resend_count',
  'rpc.service',
  'url.template',
  'faas.coldstart',
  'faas.timeout',
  'http.response.body.size',
  'http.request.body.size',
  'http.response_content_length',
  'http.request_content_length',
  'messaging.message.body.size',
  'db.response.returned_rows',
  'url.full',
  'http.url',
  'sampling.probability',
  'SampleRate',
  '_MS.sampleRate',
  'sampler.type',
  'sampler.param',
  'server.port',
  'net.peer.name',
  'net.peer.port',
  'messaging.destination',
  'messaging.message.payload_size_bytes',
  'messaging.message_payload_size_bytes',
] as const

const RESOURCE_KEYS = [
  'service.name',
  'deployment.environment.name',
  'service.namespace',
  'service.version',
  'service.instance.id',
  'host.name',
] as const

type Roles<Key extends string> = Readonly<Record<Key, number>>

function rolesOf<Key extends string>(keys: readonly Key[]): Roles<Key> {
  return Object.fromEntries(keys.map((key, i) => [key, i + 1])) as Roles<Key>
}

export const SPAN_ROLE = rolesOf(SPAN_KEYS)
export const RESOURCE_ROLE = rolesOf(RESOURCE_KEYS)
/** Values bound to a query: any number of keys. */
export const PARAMETER_ROLE = SPAN_KEYS.length + 1
export const ROLES = PARAMETER_ROLE + 1

/** What is worked out only where one of its attributes is there. */
export const SIZES_GROUP = 1
export const SAMPLING_GROUP = 2
export const QUERY_GROUP = 4
export const URL_GROUP = 8
/** All that shape and detail are made of. */
export const KEY_GROUP = 16

const GROUPS: readonly [group: number, keys: readonly (keyof typeof SPAN_ROLE)[]][] = [
  [
    SIZES_GROUP,
    [
      'http.response.body.size',
      'http.request.body.size',
      'http.response_content_length',
      'http.request_content_length',
      'messaging.message.body.size',
      'messaging.message.payload_size_bytes',
      'messaging.message_payload_size_bytes',
      'db.response.returned_rows',
    ],
  ],
  [SAMPLING_GROUP, ['sampling.probability', 'SampleRate', '_MS.sampleRate', 'sampler.type', 'sampler.param']],
  [QUERY_GROUP, ['db.query.text', 'db.statement']],
  [URL_GROUP, ['url.full', 'http.url']],
]

/** Groups of a role of spans. */
export const GROUP_OF_ROLE: Uint8Array = new Uint8Array(ROLES).fill(KEY_GROUP)
for (const [group, keys] of GROUPS) for (const key of keys) GROUP_OF_ROLE[SPAN_ROLE[key]] = group

/** What a key with that tag is to the kernel. */
export function flagsOfKey(tag: number): number {
  const role = tag & ROLE_BITS
  if (role === 0) return tag
  const isKeyed =
    (GROUP_OF_ROLE[role]! & (KEY_GROUP | QUERY_GROUP | SAMPLING_GROUP)) !== 0 && role !== PARAMETER_ROLE
  return tag | (isKeyed ? KEYED : 0) | (ACTION_OF_ROLE[role] ?? 0)
}

export const ROLE_BITS = 0x7f
export const TRANSPORT_BIT = 0x80

const ACTION_OF_ROLE: Record<number, number> = {
  ...Object.fromEntries(GROUPS[0]![1].map((key) => [SPAN_ROLE[key], ACTION_BODY])),
  [SPAN_ROLE['db.response.returned_rows']]: ACTION_ROWS,
  [SPAN_ROLE['db.query.text']]: ACTION_QUERY,
  [SPAN_ROLE['db.statement']]: ACTION_QUERY,
  [SPAN_ROLE['url.full']]: ACTION_URL_FULL,
  [SPAN_ROLE['http.url']]: ACTION_HTTP_URL,
  [SPAN_ROLE['http.request.method']]: ACTION_METHOD,
  [SPAN_ROLE['http.method']]: ACTION_METHOD,
  [SPAN_ROLE['server.address']]: ACTION_ADDRESS,
  [SPAN_ROLE['net.peer.name']]: ACTION_ADDRESS,
  [PARAMETER_ROLE]: ACTION_PENDING,
}

const PARAMETER_PREFIXES = ['db.query.parameter.', 'db.operation.parameter.'] as const

export const classifySpanKey: Classify = (bytes, from, length) => {
  const key = textOf(bytes, from, length)
  const transport = TRANSPORT_PREFIXES.some((prefix) => key.startsWith(prefix)) ? TRANSPORT_BIT : 0
  if (PARAMETER_PREFIXES.some((prefix) => key.startsWith(prefix))) return PARAMETER_ROLE
  return (Object.hasOwn(SPAN_ROLE, key) ? SPAN_ROLE[key as keyof typeof SPAN_ROLE] : 0) | transport
}

export const classifyResourceKey: Classify = (bytes, from, length) => {
  const key = textOf(bytes, from, length)
  return Object.hasOwn(RESOURCE_ROLE, key) ? RESOURCE_ROLE[key as keyof typeof RESOURCE_ROLE] : 0
}

function textOf(bytes: Uint8Array, from: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString('latin1')
}
