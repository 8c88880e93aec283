import { describe, expect, it } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'
import { DEFAULT_RECEIVER_LIMITS } from '../src/receiver/limits.ts'

describe('settings', () => {
  it('open nothing but loopback unless told to', () => {
    const { otlpGrpc, otlpHttp, api, clickhouseHttp } = readConfig({})
    for (const address of [otlpGrpc, otlpHttp, api, clickhouseHttp])
      expect(address).toMatch(/^127\.0\.0\.1:\d+$/)
  })

  it('of the limits are the defaults of the receiver, or what is set', () => {
    expect(readConfig({}).limits).toEqual(DEFAULT_RECEIVER_LIMITS)
    const { limits, fsync, graceSeconds } = readConfig({
      LONGPOLE_MEMORY_MB: '100',
      LONGPOLE_MAX_MESSAGE_MB: '10',
      LONGPOLE_REQUEST_TIMEOUT_SECONDS: '5',
      LONGPOLE_MAX_NAME_BYTES: '1',
      LONGPOLE_MAX_KEY_BYTES: '2',
      LONGPOLE_MAX_VALUE_BYTES: '3',
      LONGPOLE_MAX_ATTRIBUTES: '4',
      LONGPOLE_MAX_EVENTS: '5',
      LONGPOLE_MAX_LINKS: '6',
      LONGPOLE_STORE_QUERY_TEXT: '0',
      LONGPOLE_FSYNC: '1',
      LONGPOLE_GRACE_SECONDS: '7',
    })
    expect({ limits, fsync, graceSeconds }).toEqual({
      limits: {
        spans: {
          nameBytes: 1,
          keyBytes: 2,
          valueBytes: 3,
          attributes: 4,
          eventsPerSpan: 5,
          linksPerSpan: 6,
          keepQueryValues: false,
        },
        memoryBytes: 100 * 2 ** 20,
        maxMessageBytes: 10 * 2 ** 20,
        requestTimeoutMs: 5000,
      },
      fsync: true,
      graceSeconds: 7,
    })
  })

  it.each([
    [{ LONGPOLE_MAX_ATTRIBUTES: '0' }, 'LONGPOLE_MAX_ATTRIBUTES=0: expected a number from 1 to 65535'],
    [{ LONGPOLE_FSYNC: 'yes' }, 'LONGPOLE_FSYNC=yes: expected 0 or 1'],
    [{ LONGPOLE_MEMORY_MB: '8' }, 'LONGPOLE_MEMORY_MB must have room for a message'],
    [{ LONGPOLE_API: '99999' }, /^LONGPOLE_API=99999: expected host:port, as 127.0.0.1:4317$/],
    [{ LONGPOLE_API: '127.0.0.1:65536' }, 'LONGPOLE_API=127.0.0.1:65536: a port is at most 65535'],
    [
      { LONGPOLE_CLICKHOUSE_URL: 'file:///x' },
      'LONGPOLE_CLICKHOUSE_URL=file:///x: expected http://host:port',
    ],
    // Of a secret no more is told than that it is none.
    [
      { LONGPOLE_TOKEN: 'sesame\n' },
      'LONGPOLE_TOKEN=...: expected ASCII characters, no spaces or line breaks',
    ],
    [{ LONGPOLE_TOKEN: 's\u00e9same' }, 'LONGPOLE_TOKEN=...: expected'],
    [
      { LONGPOLE_CLICKHOUSE_URL: 'http://me:sesame@store:99999' },
      'LONGPOLE_CLICKHOUSE_URL=http://...@store:99999: expected http://host:port',
    ],
    // The store would delete everything at once.
    [
      { LONGPOLE_RETENTION_DAYS: '36500' },
      'LONGPOLE_RETENTION_DAYS=36500: expected a number from 1 to 10000',
    ],
    [{ LONGPOLE_RETENTION_DAYS: '0' }, 'LONGPOLE_RETENTION_DAYS=0: expected a number from 1 to 10000'],
    [{ LONGPOLE_ROLLUP_RETENTION_DAYS: '36500' }, 'expected a number from 1 to 10000'],
    // A timer of as long goes off at once.
    [
      { LONGPOLE_GRACE_SECONDS: '2147484' },
      'LONGPOLE_GRACE_SECONDS=2147484: expected a number from 1 to 86400',
    ],
    [{ LONGPOLE_REQUEST_TIMEOUT_SECONDS: '2147484' }, 'expected a number from 1 to 86400'],
    [{ LONGPOLE_CLICKHOUSE_DATABASE: 'system' }, 'DATABASE=system: the store keeps its own there'],
    [
      { LONGPOLE_CLICKHOUSE_DATABASE: 'default' },
      'DATABASE=default: the embedded engine has no tables there',
    ],
    // A file of its name is one of the embedded engine.
    [{ LONGPOLE_CLICKHOUSE_DATABASE: 'a'.repeat(201) }, 'expected an identifier of at most 200 characters'],
    [{ LONGPOLE_TLS_CERT: 'x' }, 'LONGPOLE_TLS_CERT and LONGPOLE_TLS_KEY go together'],
    [{ LONGPOLE_TLS_CLIENT_CA: 'x' }, 'LONGPOLE_TLS_CLIENT_CA is of no use without LONGPOLE_TLS_CERT'],
  ])('that cannot be used are named: %o', (env, message) => {
    expect(() => readConfig(env)).toThrow(ConfigError)
    expect(() => readConfig(env)).toThrow(message)
    expect(() => readConfig(env)).not.toThrow(/s.same/)
  })
})
