import { expect, it } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { protobufOf } from '../../src/receiver/json-request.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock } from '../../src/receiver/native-columns.ts'
import { readNative } from './native-reader.ts'

const NOW_NS = 1_767_225_600_000_000_000n
const WINDOW = { earliestNs: Number(NOW_NS) - 86_400e9, latestNs: Number(NOW_NS) + 86_400e9 }

/** The row of a span with these attributes. */
function row(
  attributes: Record<string, string>,
  keepQueryValues: boolean,
  more: { name?: string; status?: object; events?: object[] } = {},
) {
  const span = {
    traceId: '07'.repeat(16),
    spanId: '09'.repeat(8),
    startTimeUnixNano: String(NOW_NS),
    endTimeUnixNano: String(NOW_NS + 5n),
    attributes: keyed(attributes),
    ...more,
  }
  const request = protobufOf(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span, span] }] }] }))
  const block = createBlock()
  createSpanDecoder({ limits: { ...DEFAULT_SPAN_LIMITS, keepQueryValues }, maxRowBytes: 1e9 })(
    block,
    request,
    WINDOW,
  )
  const [first, second] = readNative(encodeBlock(block))
  // What one span's values left behind must not show in the next.
  expect(second).toEqual(first)
  return first!
}

function keyed(attributes: Record<string, string>) {
  return Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}

function stored(attributes: Record<string, string>, keepQueryValues: boolean): [string, string][] {
  return row(attributes, keepQueryValues).SpanAttributes as [string, string][]
}

const LONG = `SELECT * FROM t WHERE a IN (${Array.from({ length: 300 }, (_, i) => `'secret${i}'`).join(', ')})`
const SENT = {
  'db.system': 'mysql',
  'db.statement': "SELECT * FROM card WHERE number = '4111 1111' AND cvc = 123",
  'db.query.text': LONG,
  'db.query.parameter.0': 'secret',
  'db.operation.parameter.key': 'secret',
  'db.statement.parameters': '[secret]',
  'db.postgresql.values': '[secret]',
  'db.query.summary': 'SELECT card',
  'db.statement.kind': "it's kept 5",
  'url.full': 'http://a/5',
}

it('texts of queries lose their values, and values bound to them are gone, where the setting says so', () => {
  expect(stored(SENT, false)).toEqual([
    ['db.system', 'mysql'],
    ['db.statement', 'SELECT * FROM card WHERE number = ? AND cvc = ?'],
    ['db.query.text', 'SELECT * FROM t WHERE a IN (?..)'],
    ['db.query.parameter.0', ''],
    ['db.operation.parameter.key', ''],
    ['db.statement.parameters', ''],
    ['db.postgresql.values', ''],
    ['db.query.summary', 'SELECT card'],
    ['db.statement.kind', "it's kept 5"],
    ['url.full', 'http://a/5'],
  ])
})

it('and are stored as sent else', () => {
  expect(Object.fromEntries(stored(SENT, true))).toEqual(SENT)
})

const DATABASE = { 'db.system': 'postgresql', 'db.statement': "INSERT INTO u VALUES ('a@b.c')" }
const REDIS = { 'db.system': 'redis', 'db.statement': 'GET user:7' }
const FAILED = {
  status: { code: 2, message: 'Key (email)=(a@b.c) already exists' },
  events: [
    {
      name: 'exception',
      timeUnixNano: String(NOW_NS),
      attributes: keyed({
        'exception.type': 'UniqueViolation',
        'exception.message': 'Key (email)=(a@b.c) already exists',
        'exception.escaped': 'False',
        'exception.stacktrace': `at a@b.c ${'x'.repeat(300)}`,
        after: 'kept',
      }),
    },
    { name: 'retry', timeUnixNano: String(NOW_NS), attributes: keyed({ attempt: '2' }) },
  ],
}

it('of what went wrong in a database, it stays that it did', () => {
  const {
    StatusCode,
    StatusMessage,
    'Events.Attributes': events,
    SpanAttributes,
  } = row(DATABASE, false, FAILED)
  expect([StatusCode, StatusMessage]).toEqual(['Error', ''])
  expect(events).toEqual([
    [
      ['exception.type', 'UniqueViolation'],
      ['exception.message', ''],
      ['exception.escaped', 'False'],
      ['exception.stacktrace', ''],
      ['after', 'kept'],
    ],
    [['attempt', '2']],
  ])
  expect(SpanAttributes).toEqual([
    ['db.system', 'postgresql'],
    ['db.statement', 'INSERT INTO u VALUES (?..)'],
  ])
})

it('of other spans, and without the setting, all of it stays', () => {
  for (const of of [row({ 'http.request.method': 'GET' }, false, FAILED), row(DATABASE, true, FAILED)]) {
    expect(of.StatusMessage).toBe(FAILED.status.message)
    expect(JSON.stringify(of['Events.Attributes'])).toContain('Key (email)=(a@b.c) already exists')
  }
})

it.each([
  ["INSERT INTO u VALUES ('a@b.c')", DATABASE, 'INSERT INTO u VALUES (?..)'],
  ['SELECT "User" WHERE id = 7', DATABASE, 'SELECT "User" WHERE id = ?'],
  ['GET user:7', REDIS, 'GET ?'],
  // Names that hold no values.
  ['INSERT shop.users', DATABASE, 'INSERT shop.users'],
  ['GET', REDIS, 'GET'],
  ['cache lookup', REDIS, 'cache lookup'],
  ['users.findOne', { 'db.system': 'mongodb' }, 'users.findOne'],
  ['select 7 of 9', { 'http.request.method': 'GET' }, 'select 7 of 9'],
])('a span named %s of %j is stored as %s', (name, attributes, kept) => {
  expect(row(attributes as Record<string, string>, false, { name }).SpanName).toBe(kept)
  expect(row(attributes as Record<string, string>, true, { name }).SpanName).toBe(name)
})

it('nothing of a name that holds values is left in what is inserted', () => {
  const span = {
    traceId: '07'.repeat(16),
    spanId: '09'.repeat(8),
    name: "SELECT 'secret'",
    startTimeUnixNano: String(NOW_NS),
    endTimeUnixNano: String(NOW_NS + 5n),
    attributes: keyed({ 'db.system': 'mysql', 'db.statement': "SELECT 'secret'" }),
    ...FAILED,
  }
  const block = createBlock()
  createSpanDecoder({ limits: { ...DEFAULT_SPAN_LIMITS, keepQueryValues: false }, maxRowBytes: 1e9 })(
    block,
    protobufOf(JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })),
    WINDOW,
  )
  const bytes = Buffer.from(encodeBlock(block))
  expect(bytes.includes('SELECT ?')).toBe(true)
  for (const value of ['secret', 'a@b.c']) expect(bytes.includes(value)).toBe(false)
})
