import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readStored } from '../../src/store/analyzer-store.ts'
import { idHex } from '../../src/trace/columns.ts'
import { detailFieldsOf, detailKeyFrom, figuresFrom } from '../../src/trace/detail.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { insertCollectorSpans, openTestStore, type TestStore } from '../support/store.ts'

let store: TestStore

beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store?.close())

/** What queries are made of, and what makes them hard to read. */
const PIECES = [
  ...[
    'SELECT ',
    'insert into ',
    'GET ',
    '{',
    '(',
    ')',
    ', ',
    ' , ',
    '?',
    '(?, ?)',
    '(1, 2)',
    '$1',
    ':name',
    '@p0',
  ],
  ...[
    '%s',
    '::int',
    "'",
    "''",
    "'a'",
    "E'",
    "e'x'",
    '"',
    '""',
    '"b"',
    '\\',
    "\\'",
    '--',
    '-- x\n',
    '/*',
    '*/',
    '/* y */',
  ],
  ...[
    '/***',
    '**',
    '$$',
    '$',
    '$$z$$',
    '$t$',
    '-- select\n',
    '/* * */',
    '12',
    '1.5e3',
    '0xff',
    't1',
    ' ',
    '\n',
    '\t',
    'größe',
    '😀',
    '\x1f',
    '=',
  ],
  ...['3f0c2d1e-aaaa-bbbb-cccc-0123456789ab', 'a.b', '-5', '[', ']', 'user:12', ';'],
  ...[
    "'?'",
    '"?"',
    '"***"',
    '\\"?\\"',
    "'[REDACTED]'",
    'find',
    '[2 other arguments]',
    '...',
    ':1',
    '"a":1',
    '$a',
  ],
  ...["q'[", "]'", ']]', "nq'!", "!'", '!', "Q'{", "}'", "q'|", "|'", "q'\\", "q'a", "q'", "seq'"],
]
const query = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join(''))
const number = fc.constantFrom('', '0', '17', '429', '5000000000', 'x', '1.5', '-3')
const text = fc.constantFrom(
  ...['', 'GET', 'true', 'x\x1fy', 'http://a/b?c=1', 'https://u:p@größe.example:8443', 'a.example', '5432'],
)
const parameter = fc.constantFrom('', '7', 'x\x1fy', '?', '***', '[redacted]', 'a?')
const attributes = fc
  .record(
    {
      'db.query.text': query,
      'db.statement': query,
      'db.system.name': fc.constantFrom('', 'postgresql', 'mysql', 'redis', 'oracle.db', 'mongodb'),
      'db.system': fc.constantFrom('mssql', 'mongodb'),
      'db.query.parameter.0': parameter,
      'db.operation.parameter.a': parameter,
      'http.request.method': text,
      'http.method': text,
      'http.response.status_code': number,
      'http.status_code': number,
      'rpc.response.status_code': text,
      'rpc.grpc.status_code': number,
      'error.type': text,
      'http.request.resend_count': number,
      'http.resend_count': number,
      'rpc.service': text,
      'url.template': text,
      'url.full': text,
      'http.url': text,
      'faas.coldstart': text,
      'faas.timeout': number,
      'http.response.body.size': number,
      'http.request_content_length': number,
      'db.response.returned_rows': number,
      'server.address': text,
      'server.port': text,
      'net.peer.name': text,
      'net.peer.port': text,
      'messaging.destination.name': text,
      'messaging.destination': text,
      'messaging.message_payload_size_bytes': number,
      'messaging.message.payload_size_bytes': number,
    },
    { requiredKeys: [] },
  )
  .map((record) => record as Record<string, string>)

it('spans have the detail and the figures that the same attributes have in files', async () => {
  const spans = fc.sample(attributes, { numRuns: 3000, seed: 11 })
  const kindOf = (i: number) => ['INTERNAL', 'CLIENT', 'PRODUCER', 'SERVER', 'CONSUMER'][i % 5]!
  await insertCollectorSpans(
    store,
    spans.map((SpanAttributes, i) => ({
      TraceId: 'cd'.repeat(16),
      SpanId: (i + 1).toString(16).padStart(16, '0'),
      SpanAttributes,
      SpanKind: `SPAN_KIND_${kindOf(i)}`,
      startNs: BigInt(Date.now()) * 1_000_000n,
    })),
  )
  const dictionary = createDictionary()
  const read = await readStored(store, dictionary, {
    fromMs: 0,
    toMs: Date.now() + 60_000,
  })
  expect(read.count).toBe(spans.length)
  let hashed = 0
  for (let row = 0; row < read.count; row++) {
    const i = Number.parseInt(idHex(read.spanId, row), 16) - 1
    const span = spans[i]!
    expect([span, dictionary.details.fields(read.detail[row]!)]).toEqual([
      span,
      detailFieldsOf(detailKeyFrom(kindOf(i), span)),
    ])
    const figures = figuresFrom(span)
    expect(read.bodyBytes[row]).toBe(figures.bodyBytes)
    expect(read.returnedRows[row]).toBe(figures.returnedRows)
    // The hashes themselves differ: they are only compared within one of the two worlds.
    expect([span, read.valueHash[row] === 0]).toEqual([span, figures.valueHash === 0])
    if (figures.valueHash !== 0) hashed++
  }
  expect(hashed).toBeGreaterThan(100)
})
