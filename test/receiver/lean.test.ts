import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEngine } from '../../src/engine/start.ts'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS, type SpanLimits } from '../../src/receiver/limits.ts'
import { murmurHash3 } from '../../src/receiver/murmur.ts'
import { encodeBlock, encodeParts } from '../../src/receiver/native-block.ts'
import { clearBlock, createBlock, SPAN_COLUMNS } from '../../src/receiver/native-columns.ts'
import { readMigrations } from '../../src/store/migrate.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { emptyStore, insertCollectorSpans, openTestStore, quiet, type TestStore } from '../support/store.ts'
import { readNative } from './native-reader.ts'
import { field, join as joined, message, string, varint } from './proto-writer.ts'
import { anySpan, NOW_NS, readableOf, type SampleSpan, type SampleValue, sampleSpan } from './span-samples.ts'

let received: TestStore
/** Gets the same rows of otel_traces as a Collector would insert them. */
let collected: TestStore

beforeAll(async () => {
  received = await openTestStore()
  collected = await openTestStore()
})
afterAll(async () => {
  await received?.close()
  await collected?.close()
})

const COLUMNS = SPAN_COLUMNS.map(({ name }) => name)
const OURS = COLUMNS.slice(COLUMNS.indexOf('TraceHigh'))
const THEIRS = COLUMNS.filter((name) => !OURS.includes(name))
  .map((name) => `\`${name}\``)
  .join(', ')
const LEAN =
  'TraceHigh, TraceLow, SpanId, ParentId, StartNs, EndNs, Status, Shape, Weight, Detail, BodyBytes, ReturnedRows, ValueHash'
const WINDOW = { earliestNs: Number(NOW_NS) - 7 * 86_400e9, latestNs: Number(NOW_NS) + 86_400e9 }

/** Stores the requests as the receiver does, and what is then in otel_traces once more; returns both sets of lean rows. */
async function bothWays(requests: Uint8Array[], limits: Partial<SpanLimits> = {}) {
  await emptyStore(received)
  await emptyStore(collected)
  const decode = createSpanDecoder({ limits: { ...DEFAULT_SPAN_LIMITS, ...limits }, maxRowBytes: 1e9 })
  const block = createBlock()
  let rows = 0
  // Several blocks: what is remembered of one must not be taken for the next.
  for (let at = 0; at < requests.length; at += 20) {
    clearBlock(block)
    for (const request of requests.slice(at, at + 20)) {
      expect(decode(block, request, WINDOW).kind).toBe('decoded')
    }
    rows += block.rows
    const native = encodeParts(block)
    await received.insertSpans({ rows: block.rows, native, columns: COLUMNS, token: `${at}` })
  }
  await collected.client.command({
    query: `INSERT INTO otel_traces (${THEIRS})
      SELECT * REPLACE (bitAnd(Flags, 3) AS Flags) FROM (SELECT ${THEIRS} FROM ${received.database}.otel_traces)`,
  })
  const leanOf = async (store: Store) => {
    const query = `SELECT ${LEAN} FROM spans_lean ORDER BY ALL`
    return (await store.client.query({ query, format: 'JSONEachRow' })).json<Record<string, unknown>>()
  }
  const [ours, theirs] = [await leanOf(received), await leanOf(collected)]
  expect(ours).toHaveLength(rows)
  return { ours, theirs }
}

const text = fc.constantFrom(
  '',
  'a',
  'GET',
  'true',
  'x\x1fy',
  '\x1f',
  '/items/{id}',
  'http://a/b?c=1',
  'https://u:p@größe.example:8443/x',
  'größe',
)
const number = fc.oneof(
  fc.constantFrom<SampleValue>('', '0', '017', 'x', '1.5', '-3', '1e3', '2.', 0, 7, 200, 429, 4294967295),
  fc.constantFrom<SampleValue>(4294967296, '9'.repeat(19), '18446744073709551615', '18446744073709551616'),
  fc.constantFrom<SampleValue>('9'.repeat(30), 0.25, 1e-7, true, ['a', 1], { a: 1 }, '0.5', '250'),
)
const query = fc
  .array(
    fc.constantFrom(
      ...['SELECT ', 'insert into t', 'GET ', '{', '(', ')', ', ', '?', '(1, 2)', '$1', ':name', '%s', "'"],
      ...["'a'", "E'", '"b"', '\\', '--', '/*', '*/', '$$', '12', '1.5e3', '0xff', ' ', '\n', '😀', '\x1f'],
      ...["'?'", '"***"', '[2 other arguments]', '...', 'find', '"a":1'],
    ),
    { maxLength: 8 },
  )
  .map((pieces) => pieces.join(''))
const TEXTS = [
  'db.namespace db.name db.query.summary server.address peer.service messaging.system messaging.destination.name',
  'messaging.operation.type http.request.method http.method http.route rpc.method rpc.service error.type url.full',
  'http.url url.template faas.coldstart db.query.parameter.0 db.operation.parameter.a network.peer.address net.x',
  'dns.y tls.z http url sampler.type other db.query.parameter server.port net.peer.name net.peer.port',
  'messaging.destination',
]
  .join(' ')
  .split(' ')
const NUMBERS = [
  'http.response.status_code http.status_code rpc.response.status_code rpc.grpc.status_code faas.timeout',
  'http.request.resend_count http.resend_count http.response.body.size http.request.body.size',
  'http.response_content_length http.request_content_length messaging.message.body.size db.response.returned_rows',
  'sampling.probability SampleRate _MS.sampleRate sampler.param',
  'messaging.message.payload_size_bytes messaging.message_payload_size_bytes',
]
  .join(' ')
  .split(' ')
const attribute = fc.oneof(
  fc.tuple(fc.constantFrom(...TEXTS), text),
  fc.tuple(fc.constantFrom(...NUMBERS), number),
  fc.tuple(fc.constantFrom('db.query.text', 'db.statement'), query),
  fc.tuple(
    fc.constantFrom('db.query.parameter.0', 'db.operation.parameter.a'),
    fc.constantFrom<SampleValue>('', '?', '***', '[redacted]', '*'.repeat(40), 'a?', 7),
  ),
  fc.tuple(
    fc.constantFrom('db.system.name', 'db.system'),
    fc.constantFrom('', 'postgresql', 'mysql', 'redis', 'oracle.db', 'mongodb', 's'.repeat(200)),
  ),
  fc.tuple(fc.constant('sampler.type'), fc.constantFrom('probabilistic', 'const')),
)
const attributes = fc
  .array(attribute as fc.Arbitrary<[string, SampleValue]>, { maxLength: 14 })
  .map((pairs) => Object.fromEntries(pairs))
const resource = fc.dictionary(
  fc.constantFrom(
    ...['service.name', 'service.namespace', 'service.version', 'service.instance.id', 'host.name'],
    ...['deployment.environment.name', 'other'],
  ),
  text as fc.Arbitrary<SampleValue>,
)
const traceState = fc
  .array(
    fc.constantFrom(
      ...['ot=th:8', ' ot=rv:0123456789abcd;th:fd70a', 'ot=th:c ;p:3', 'ot=th:zz;th:c', 'ot=p:5', 'ot=p:63'],
      ...[
        'es=s:0.25',
        'es=s:0.5 ',
        '\tes=x;s:0.1',
        'es=s:2',
        'vendor=1',
        'not=th:8',
        'ot=',
        'ot=th:',
        'es=s:x;s:1',
      ],
    ),
    { maxLength: 3 },
  )
  .map((entries) => entries.join(','))

const span: fc.Arbitrary<SampleSpan> = fc
  .record({
    any: anySpan,
    name: fc.constantFrom('', 'work', 'GET', 'a\x1fb', 'n'.repeat(300)),
    attributes,
    resource,
    traceState,
  })
  .map(({ any, ...rest }) => ({ ...any, ...rest }))

describe('lean rows are the same whether the receiver or the view works them out', () => {
  const seed = Date.now() & 0x7fffffff

  it('for spans as SDKs send them', async () => {
    const spans = fc.sample(span, { numRuns: 2500, seed })
    const requests = Array.from(
      { length: 50 },
      (_, i) => ProtobufTraceSerializer.serializeRequest(readableOf(spans.slice(50 * i, 50 * i + 50)))!,
    )
    const { ours, theirs } = await bothWays(requests)
    expect(ours, `seed ${seed}`).toEqual(theirs)
    // What is compared says something.
    for (const column of ['Weight', 'BodyBytes', 'ReturnedRows', 'ValueHash', 'Detail', 'Shape']) {
      expect(new Set(ours.map((row) => row[column])).size, column).toBeGreaterThan(5)
    }
  })

  it('for spans that are much like each other, as those of a service are', async () => {
    const bases = fc.sample(span, { numRuns: 8, seed })
    const resources = bases.slice(0, 2).map((base) => base.resource)
    const likeOne = fc
      .tuple(fc.constantFrom(...bases), fc.constantFrom(...resources), attribute, fc.nat(5), span)
      .map(([base, resource, [key, value], change, other]) => ({
        ...base,
        resource,
        ...(change === 0 ? { attributes: { ...base.attributes, [key]: value } } : {}),
        ...(change === 1 ? { name: other.name } : {}),
        ...(change === 2 ? { kind: other.kind } : {}),
        ...(change === 3 ? { startNs: 5n } : {}), // rejected
      }))
    const spans = fc.sample(likeOne, { numRuns: 2000, seed })
    const requests = Array.from(
      { length: 40 },
      (_, i) => ProtobufTraceSerializer.serializeRequest(readableOf(spans.slice(50 * i, 50 * i + 50)))!,
    )
    const { ours, theirs } = await bothWays(requests)
    expect(ours, `seed ${seed}`).toEqual(theirs)
    expect(new Set(ours.map((row) => row.Shape)).size).toBeGreaterThan(20)
  })

  it('where queries are stored without their values, and much is cut', async () => {
    const spans = fc.sample(span, { numRuns: 1000, seed })
    const request = ProtobufTraceSerializer.serializeRequest(readableOf(spans))!
    const { ours, theirs } = await bothWays([request], {
      keepQueryValues: false,
      nameBytes: 20,
      keyBytes: 24,
      valueBytes: 9,
      attributes: 8,
    })
    expect(ours, `seed ${seed}`).toEqual(theirs)
  })

  it('for keys that come twice, bytes that are no text, ids and times of all sizes', async () => {
    const pair = (key: string | Uint8Array, value: string | Uint8Array) =>
      message(9, field(1, Buffer.from(key as string)), message(2, field(1, Buffer.from(value as string))))
    const fixed64 = (n: number, value: bigint) => {
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64LE(value)
      return joined(varint((n << 3) | 1), bytes)
    }
    const bad = Buffer.from([0x61, 0xff, 0x62])
    const spanOf = (id: number, ...more: Uint8Array[]) =>
      message(2, field(1, Buffer.alloc(16, 0xf0 + id)), field(2, Buffer.alloc(8, 0x80 + id)), ...more)
    const times = joined(fixed64(7, NOW_NS), fixed64(8, NOW_NS + 5n))
    const { ours, theirs } = await bothWays([
      message(
        1,
        message(1, message(1, string(1, 'service.name'), message(2, string(1, 'first')))),
        message(1, message(1, string(1, 'service.name'), message(2, string(1, 'second')))),
        message(1, message(1, string(1, 'host.name'), message(2, field(1, bad)))),
        message(
          2,
          spanOf(1, times, pair('http.route', 'first'), pair('http.route', 'second')),
          spanOf(2, times, pair('http.route', ''), pair('http.route', 'second'), pair('net.', 'x')),
          spanOf(3, times, pair('http.route', bad), pair(bad, 'x'), field(5, bad)),
          spanOf(4, times, pair('url.full', 'x'.repeat(300)), pair('http.method', 'GET')),
          spanOf(5, fixed64(8, NOW_NS)),
          spanOf(6, fixed64(7, NOW_NS)),
          spanOf(7, fixed64(7, NOW_NS), fixed64(8, (1n << 64n) - 1n), field(4, Buffer.alloc(8, 0xff))),
          spanOf(8, times, pair('db.statement', `select '${'é'.repeat(5000)}'`), pair('http.url', 'x')),
          spanOf(9, times, pair('db.statement', 'get :a'), pair('db.query.parameter.a', '')),
        ),
      ),
    ])
    expect(ours).toEqual(theirs)
  })
})

it('what a malformed request left behind is not taken for the next one', () => {
  const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })
  const block = createBlock()
  const requestOf = (name: string) =>
    ProtobufTraceSerializer.serializeRequest(readableOf([sampleSpan({ name })]))!
  decode(block, requestOf('a b'), WINDOW)
  // Its name is another, its shape the same: after it the name's number is free, the shape's is not.
  const broken = joined(requestOf('a\x1fb'), Buffer.from([0x0a, 0x05, 0x0a]))
  expect(decode(block, broken, WINDOW).kind).toBe('malformed')
  decode(block, requestOf('c'), WINDOW)
  expect(readNative(encodeBlock(block)).map(({ Shape }) => String(Shape).split('\x1f')[2])).toEqual([
    'a b',
    'c',
  ])
})

it('hashes as the store does', async () => {
  const texts = fc.sample(fc.string({ unit: 'grapheme', maxLength: 40 }), { numRuns: 80, seed: 3 })
  const answer = await received.client.query({
    query: 'SELECT toString(murmurHash3_32(arrayJoin({texts:Array(String)}))) AS h',
    query_params: { texts },
    format: 'JSONEachRow',
  })
  const hashes = (await answer.json<{ h: string }>()).map(({ h }) => Number(h))
  const hashed = texts.map((text) => {
    const bytes = new TextEncoder().encode(`..${text}`)
    return murmurHash3(new DataView(bytes.buffer), 2, bytes.length - 2)
  })
  expect(hashed).toEqual(hashes)
})

describe('inserts of the receiver', () => {
  const insert = async (store: Store, token: string) => {
    const block = createBlock()
    const request = ProtobufTraceSerializer.serializeRequest(readableOf([sampleSpan()]))!
    createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })(block, request, WINDOW)
    await store.insertSpans({ rows: 1, native: [encodeBlock(block)], columns: COLUMNS, token })
  }
  const counts = async ({ client }: Store) => {
    const query = `SELECT (SELECT count() FROM otel_traces), (SELECT count() FROM otel_traces_trace_id_ts),
      (SELECT count() FROM spans_lean)`
    const answer = await client.query({ query, format: 'JSONCompactEachRow' })
    return (await answer.json<(string | number)[]>())[0]!.map(Number)
  }

  it('give every table its rows once, however often one token comes', async () => {
    await emptyStore(received)
    await insert(received, 'one')
    await insert(received, 'one')
    expect(await counts(received)).toEqual([1, 1, 1])
    await insert(received, 'two')
    expect(await counts(received)).toEqual([2, 2, 2])
    await received.client.command({ query: 'TRUNCATE TABLE spans_lean' })
    // As if the process had died between the tables: what is missing comes, what is there does not come again.
    await insert(received, 'two')
    expect(await counts(received)).toEqual([2, 2, 1])
  })

  it('and those of a Collector do in a store that was there before, also once it was opened again', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'longpole-upgrade-'))
    let old = await startEngine({ dataDir, host: '127.0.0.1', port: 0, log: quiet })
    const open = (url: string) =>
      openStore({ url, database: 'old', retentionDays: 7, rollupRetentionDays: 7, log: quiet })
    const outside = createClient({ url: old.url })
    await outside.command({ query: 'CREATE DATABASE old' })
    await outside.close()
    let store = open(old.url)
    try {
      for (const { version, statements } of readMigrations()) {
        if (version < 8) for (const query of statements) await store.client.command({ query })
      }
      const span = (id: number) => ({
        TraceId: 'ab'.repeat(16),
        SpanId: `000000000000000${id}`,
        startNs: BigInt(Date.now()) * 1_000_000n,
      })
      await insertCollectorSpans(store, [span(1)])
      await store.migrate()
      await insertCollectorSpans(store, [span(2)])
      await insert(store, 'one')
      expect(await counts(store)).toEqual([3, 3, 3])
      await store.close()
      await old.stop()
      old = await startEngine({ dataDir, host: '127.0.0.1', port: 0, log: quiet })
      store = open(old.url)
      await insertCollectorSpans(store, [span(3)])
      await insert(store, 'one')
      await insert(store, 'two')
      expect(await counts(store)).toEqual([5, 5, 5])
    } finally {
      await store.close()
      await old.stop()
      rmSync(dataDir, { recursive: true })
    }
  })
})
