import { z } from 'zod'
import { type FindingLimits, limitsOf, parseOverrides } from './findings/settings.ts'
import { DEFAULT_RECEIVER_LIMITS, type ReceiverLimits } from './receiver/limits.ts'

/** `host:port`, `[::1]:port`. */
const address = z
  .string()
  .regex(/^(\[[0-9a-f:.]+\]|[^:\s]+):\d{1,5}$/i, {
    message: 'expected host:port, as 127.0.0.1:4317',
    abort: true,
  })
  .refine((text) => splitAddress(text).port < 65_536, 'a port is at most 65535')
const wholeNumber = z.string().regex(/^\d+$/, 'expected a whole number').transform(Number)
const between = (least: number, most: number) =>
  wholeNumber.refine((n) => n >= least && n <= most, `expected a number from ${least} to ${most}`)
const upTo = (most: number) => between(1, most)
const positive = upTo(2 ** 31 - 1)
/** Timers count milliseconds in 31 bits, and go off at once where these are more. */
const MOST_SECONDS = 86_400
/** The store counts seconds in 32 bits, to 2106: what is to be kept beyond that, it takes for long out of date. */
const days = upTo(10_000)
const flag = z.enum(['0', '1'], 'expected 0 or 1').transform((text) => text === '1')
/** What headers and gRPC's metadata carry as it is. With a file's line break at its end no client could say it. */
const token = z
  .string()
  .regex(/^[!-~]([ -~]*[!-~])?$/, 'expected ASCII characters, no spaces or line breaks around them')
const OF_THE_STORE = /^(system|information_schema)$/i
const { spans, ...receiver } = DEFAULT_RECEIVER_LIMITS
const MIB = 1024 * 1024

/** Every setting, with its default. Units are in the names; contract.md's table in the README is this list. */
const SETTINGS = z.object({
  LONGPOLE_OTLP_GRPC: address.default('127.0.0.1:4317'),
  LONGPOLE_OTLP_HTTP: address.default('127.0.0.1:4318'),
  LONGPOLE_API: address.default('127.0.0.1:8080'),
  LONGPOLE_CLICKHOUSE_URL: z.url({ protocol: /^https?$/, error: 'expected http://host:port' }).optional(),
  LONGPOLE_CLICKHOUSE_DATABASE: z
    .string()
    .regex(/^[A-Za-z_]\w{0,199}$/, 'expected an identifier of at most 200 characters')
    .refine((name) => !OF_THE_STORE.test(name), 'the store keeps its own there')
    .default('longpole'),
  LONGPOLE_CLICKHOUSE_HTTP: address.default('127.0.0.1:8123'),
  LONGPOLE_DATA_DIR: z.string().min(1).default('./data'),
  LONGPOLE_SETTLE_SECONDS: between(0, MOST_SECONDS).default(10),
  LONGPOLE_DEPENDENCIES: z.enum(['learned', 'single']).default('learned'),
  LONGPOLE_RETENTION_DAYS: days.default(7),
  LONGPOLE_ROLLUP_RETENTION_DAYS: days.default(400),
  LONGPOLE_FSYNC: flag.default(false),
  LONGPOLE_GRACE_SECONDS: upTo(MOST_SECONDS).default(8),
  LONGPOLE_MEMORY_MB: positive.default(receiver.memoryBytes / MIB),
  LONGPOLE_MAX_MESSAGE_MB: upTo(1024).default(receiver.maxMessageBytes / MIB),
  LONGPOLE_REQUEST_TIMEOUT_SECONDS: upTo(MOST_SECONDS).default(receiver.requestTimeoutMs / 1000),
  LONGPOLE_MAX_NAME_BYTES: positive.default(spans.nameBytes),
  LONGPOLE_MAX_KEY_BYTES: positive.default(spans.keyBytes),
  LONGPOLE_MAX_VALUE_BYTES: positive.default(spans.valueBytes),
  LONGPOLE_MAX_ATTRIBUTES: upTo(65_535).default(spans.attributes),
  LONGPOLE_MAX_EVENTS: positive.default(spans.eventsPerSpan),
  LONGPOLE_MAX_LINKS: positive.default(spans.linksPerSpan),
  LONGPOLE_STORE_QUERY_TEXT: flag.default(spans.keepQueryValues),
  LONGPOLE_TOKEN: token.optional(),
  LONGPOLE_TLS_CERT: z.string().min(1).optional(),
  LONGPOLE_TLS_KEY: z.string().min(1).optional(),
  LONGPOLE_TLS_CLIENT_CA: z.string().min(1).optional(),
  LONGPOLE_FINDINGS: z.string().default(''),
  LONGPOLE_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export type Config = {
  otlpGrpc: string
  otlpHttp: string
  api: string
  /** undefined: the embedded engine. */
  clickhouseUrl: string | undefined
  clickhouseDatabase: string
  clickhouseHttp: string
  dataDir: string
  settleSeconds: number
  /** What calls waited for: learned over many traces, or from each trace alone. */
  dependencies: 'learned' | 'single'
  retentionDays: number
  rollupRetentionDays: number
  /** Nothing is acknowledged before it is on the disk. */
  fsync: boolean
  graceSeconds: number
  limits: ReceiverLimits
  token: string | undefined
  tls: { certFile: string; keyFile: string; clientCaFile: string | undefined } | undefined
  /** Thresholds of findings. */
  findingLimits: FindingLimits
  logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent'
}

/** A setting that cannot be used; the message names it. */
export class ConfigError extends Error {}

/** Reads the settings; an empty variable counts as unset. @throws ConfigError */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(
    Object.keys(SETTINGS.shape)
      .filter((name) => (env[name] ?? '') !== '')
      .map((name) => [name, env[name]]),
  )
  const parsed = SETTINGS.safeParse(given)
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path: [name], message }) => {
      return `${withoutSecret(`${String(name)}=${String(given[String(name)])}`)}: ${message}`
    })
    throw new ConfigError(problems.join('; '))
  }
  const s = parsed.data
  if ((s.LONGPOLE_TLS_CERT === undefined) !== (s.LONGPOLE_TLS_KEY === undefined)) {
    throw new ConfigError('LONGPOLE_TLS_CERT and LONGPOLE_TLS_KEY go together')
  }
  if (s.LONGPOLE_TLS_CLIENT_CA !== undefined && s.LONGPOLE_TLS_CERT === undefined) {
    throw new ConfigError(
      'LONGPOLE_TLS_CLIENT_CA is of no use without LONGPOLE_TLS_CERT and LONGPOLE_TLS_KEY',
    )
  }
  if (s.LONGPOLE_CLICKHOUSE_URL === undefined && s.LONGPOLE_CLICKHOUSE_DATABASE === 'default') {
    throw new ConfigError('LONGPOLE_CLICKHOUSE_DATABASE=default: the embedded engine has no tables there')
  }
  if (s.LONGPOLE_MAX_MESSAGE_MB > s.LONGPOLE_MEMORY_MB) {
    throw new ConfigError('LONGPOLE_MEMORY_MB must have room for a message of LONGPOLE_MAX_MESSAGE_MB')
  }
  return {
    otlpGrpc: s.LONGPOLE_OTLP_GRPC,
    otlpHttp: s.LONGPOLE_OTLP_HTTP,
    api: s.LONGPOLE_API,
    clickhouseUrl: s.LONGPOLE_CLICKHOUSE_URL,
    clickhouseDatabase: s.LONGPOLE_CLICKHOUSE_DATABASE,
    clickhouseHttp: s.LONGPOLE_CLICKHOUSE_HTTP,
    dataDir: s.LONGPOLE_DATA_DIR,
    settleSeconds: s.LONGPOLE_SETTLE_SECONDS,
    dependencies: s.LONGPOLE_DEPENDENCIES,
    retentionDays: s.LONGPOLE_RETENTION_DAYS,
    rollupRetentionDays: s.LONGPOLE_ROLLUP_RETENTION_DAYS,
    fsync: s.LONGPOLE_FSYNC,
    graceSeconds: s.LONGPOLE_GRACE_SECONDS,
    limits: {
      spans: {
        nameBytes: s.LONGPOLE_MAX_NAME_BYTES,
        keyBytes: s.LONGPOLE_MAX_KEY_BYTES,
        valueBytes: s.LONGPOLE_MAX_VALUE_BYTES,
        attributes: s.LONGPOLE_MAX_ATTRIBUTES,
        eventsPerSpan: s.LONGPOLE_MAX_EVENTS,
        linksPerSpan: s.LONGPOLE_MAX_LINKS,
        keepQueryValues: s.LONGPOLE_STORE_QUERY_TEXT,
      },
      memoryBytes: s.LONGPOLE_MEMORY_MB * MIB,
      maxMessageBytes: s.LONGPOLE_MAX_MESSAGE_MB * MIB,
      requestTimeoutMs: s.LONGPOLE_REQUEST_TIMEOUT_SECONDS * 1000,
    },
    token: s.LONGPOLE_TOKEN,
    tls:
      s.LONGPOLE_TLS_CERT !== undefined && s.LONGPOLE_TLS_KEY !== undefined
        ? {
            certFile: s.LONGPOLE_TLS_CERT,
            keyFile: s.LONGPOLE_TLS_KEY,
            clientCaFile: s.LONGPOLE_TLS_CLIENT_CA,
          }
        : undefined,
    findingLimits: findingLimits(env),
    logLevel: s.LONGPOLE_LOG_LEVEL,
  }
}

/** `LONGPOLE_CLICKHOUSE_URL=http://user:password@host` goes to logs and terminals. */
function withoutSecret(setting: string): string {
  return setting.replace(/^(LONGPOLE_TOKEN=)[\s\S]*/, '$1...').replace(/\/\/[^/]*@/, '//...@')
}

/** The thresholds of findings, as LONGPOLE_FINDINGS overrides them. @throws ConfigError */
export function findingLimits(env: NodeJS.ProcessEnv): FindingLimits {
  try {
    return limitsOf(parseOverrides(env.LONGPOLE_FINDINGS ?? ''))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new ConfigError(`LONGPOLE_FINDINGS: ${error.message}`)
  }
}

/** Host and port of a `host:port` setting; brackets of an IPv6 address are taken off. */
export function splitAddress(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) }
}
