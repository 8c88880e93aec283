import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SPAN_COLUMNS } from '../../src/receiver/native-columns.ts'
import { readStored } from '../../src/store/analyzer-store.ts'
import { migrate } from '../../src/store/migrate.ts'
import { writeBlock } from '../../src/store/native-writer.ts'
import { endpointParams, endpointsIn } from '../../src/store/rollups.ts'
import { epochNs, idHex, type SpanColumns, traceIdHex } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { samplingWeight } from '../../src/trace/sampling.ts'
import { SHAPE_FIELDS, shapeFieldsFrom } from '../../src/trace/shape.ts'
import { insertCollectorSpans, openTestStore, type TestStore } from '../support/store.ts'

let store: TestStore

beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store?.close())

const rows = async <T>(query: string) =>
  (await store.client.query({ query, format: 'JSONEachRow' })).json<T>()
const nowNs = BigInt(Date.now()) * 1_000_000n

describe('schema', () => {
  it('is applied once, also by several at a time', async () => {
    expect(await store.migrate()).toEqual([])
    const another = await openTestStore()
    await another.client.command({ query: 'DROP TABLE schema_migrations' })
    await Promise.all([another.migrate(), another.migrate(), another.migrate()])
    expect(await another.migrate()).toEqual([])
    await another.close()
  })

  it('has the columns that the receiver writes, of the types it writes', async () => {
    const table = new Map(
      (await rows<{ name: string; type: string }>('DESCRIBE TABLE received_spans')).map((c) => [
        c.name,
        c.type,
      ]),
    )
    for (const { name, type } of SPAN_COLUMNS) expect([name, table.get(name)]).toEqual([name, type])
  })

  it('keeps spans as long as the setting says', async () => {
    const longer = await openTestStore(undefined, 31)
    const answer = await longer.client.query({
      query: `SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name IN ('otel_traces', 'samples')`,
      format: 'JSONEachRow',
    })
    for (const { engine_full } of await answer.json<{ engine_full: string }>()) {
      // A day of samples goes when its last one has had its time.
      expect(engine_full).toMatch(/toIntervalDay\((31|32)\)/)
    }
    await longer.close()
  })
})

describe('LONGPOLE_FSYNC', () => {
  const RETENTION = { days: 7, rollupDays: 400 }

  it('is a setting of every table, on and off again', async () => {
    const { client } = store
    const without = async () =>
      rows<{ name: string }>(`SELECT name FROM system.tables WHERE database = '${store.database}'
        AND engine LIKE '%MergeTree' AND engine_full NOT LIKE '%fsync_after_insert = 1, fsync_part_directory = 1%'`)
    const all = (await without()).length
    expect(all).toBeGreaterThan(5)
    await migrate(client, RETENTION, true)
    expect(await without()).toEqual([])
    await migrate(client, RETENTION, false)
    expect(await without()).toHaveLength(all)
  })
})

describe('lean spans', () => {
  it('are read by ranges of trace ids, bounds included, also of ids of 64 bits', async () => {
    const ids = ['0'.repeat(15), '1'.repeat(15), `${'1'.repeat(14)}2`, 'f'.repeat(15)]
      .flatMap((high) =>
        ['1', '7fffffffffffffff', '8000000000000000', 'fffffffffffffffe'].map((low) => [high, low]),
      )
      .map(([high, low]) => `a${high}${low!.padStart(16, '0')}`)
    await insertCollectorSpans(
      store,
      ids.map((TraceId) => ({ TraceId, SpanId: '0000000000000001', startNs: nowNs })),
    )
    // Each into the memory of the one before, longer or shorter.
    let spans: SpanColumns | undefined
    for (let first = 0; first < ids.length; first++) {
      for (let last = first; last < ids.length; last += 3) {
        const range = { first: ids[first]!, last: ids[last]! }
        const window = { fromMs: 0, toMs: Date.now() + 60_000, ids: range }
        spans = await readStored(store, createDictionary(), window, spans)
        const read = Array.from({ length: spans.count }, (_, row) => traceIdHex(spans!, row))
        expect(read.sort()).toEqual(ids.slice(first, last + 1))
      }
    }
  })

  it('hold ids, true times and status of what a Collector inserts', async () => {
    const traceId = '0123456789abcdef8123456789abcdef'
    await insertCollectorSpans(store, [
      { TraceId: traceId, SpanId: 'ffffffffffffff01', startNs: nowNs, durationNs: 7, StatusCode: 'Error' },
      {
        TraceId: traceId,
        SpanId: '8000000000000002',
        ParentSpanId: 'ffffffffffffff01',
        startNs: nowNs + 5n,
        extra: { EndBeforeStartNs: '3' },
      },
      { TraceId: traceId, SpanId: '0000000000000003', startNs: nowNs + 6n, extra: { Flags: 1 } },
    ])
    const window = { fromMs: 0, toMs: Date.now() + 60_000 }
    const spans = await readStored(store, createDictionary(), window)
    const read = Array.from({ length: spans.count }, (_, row) => ({
      traceId: traceIdHex(spans, row),
      id: idHex(spans.spanId, row),
      parent: idHex(spans.parentId, row),
      start: epochNs(spans.start, row),
      end: epochNs(spans.end, row),
      status: spans.status[row],
    })).filter((span) => span.traceId === traceId)
    expect(read.sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { traceId, id: '0000000000000003', parent: '0000000000000000', start: 0n, end: nowNs + 6n, status: 0 },
      {
        traceId,
        id: '8000000000000002',
        parent: 'ffffffffffffff01',
        start: nowNs + 5n,
        end: nowNs + 2n,
        status: 0,
      },
      {
        traceId,
        id: 'ffffffffffffff01',
        parent: '0000000000000000',
        start: nowNs,
        end: nowNs + 7n,
        status: 2,
      },
    ])
  })

  it('have the shape that the same attributes have in files', async () => {
    const kinds = ['Internal', 'Server', 'Client', 'Producer', 'Consumer', 'Unspecified']
    const value = fc.constantFrom('', 'a', 'b c', 'x\x1fy', "it's \\ \n", 'größe')
    const attributes = fc.dictionary(
      fc.constantFrom(
        'db.system',
        'db.system.name',
        'db.name',
        'db.namespace',
        'db.query.summary',
        'server.address',
        'peer.service',
        'messaging.system',
        'messaging.destination.name',
        'messaging.operation.type',
        'http.request.method',
        'http.route',
        'rpc.method',
        'net.peer.name',
        'tls.cipher',
        'network.x',
        'url.full',
        'dns.x',
        'httpx',
        'thread.name',
      ),
      value,
      { maxKeys: 8 },
    )
    const resource = fc.dictionary(
      fc.constantFrom(
        'service.name',
        'deployment.environment.name',
        'service.namespace',
        'service.version',
        'service.instance.id',
        'host.name',
      ),
      value,
    )
    const spans = fc.sample(
      fc.record({ kind: fc.constantFrom(...kinds), name: value, attributes, resource }),
      {
        numRuns: 300,
        seed: 7,
      },
    )
    const traceId = 'aa'.repeat(16)
    await insertCollectorSpans(
      store,
      spans.map(({ kind, name, attributes, resource }, i) => ({
        TraceId: traceId,
        SpanId: (i + 1).toString(16).padStart(16, '0'),
        SpanKind: kind,
        SpanName: name,
        ServiceName: resource['service.name'] ?? '',
        SpanAttributes: attributes,
        ResourceAttributes: resource,
        startNs: nowNs,
      })),
    )
    const dictionary = createDictionary()
    const window = { fromMs: 0, toMs: Date.now() + 60_000 }
    const read = await readStored(store, dictionary, window)
    let compared = 0
    for (let row = 0; row < read.count; row++) {
      if (traceIdHex(read, row) !== traceId) continue
      const { kind, name, attributes, resource } = spans[Number.parseInt(idHex(read.spanId, row), 16) - 1]!
      const known = kind === 'Unspecified' ? 'INTERNAL' : kind.toUpperCase()
      const expected = shapeFieldsFrom(known, name, resource, attributes)
      for (const field of SHAPE_FIELDS) expected[field] = expected[field].replaceAll('\x1f', ' ')
      expect(dictionary.fields(read.shape[row]!)).toEqual(expected)
      compared++
    }
    expect(compared).toBe(spans.length)
  })
})

describe('sampling weights', () => {
  it('are those that the same span has in files', async () => {
    const hex = fc.stringMatching(/^[0-9a-f]{1,15}$/)
    const number = fc.oneof(
      fc.constantFrom(
        '0',
        '1',
        '1.',
        '0.25',
        '1e-3',
        '2.5E-2',
        '3',
        '2.5',
        '64',
        '250',
        '1e12',
        'x',
        '-1',
        '',
        '.5',
      ),
      fc.double({ min: 0, max: 120, noNaN: true }).map(String),
    )
    const entry = fc.oneof(
      hex.map((threshold) => `ot=th:${threshold}`),
      hex.map((threshold) => ` ot=rv:0123456789abcd;th:${threshold}`),
      fc.nat({ max: 70 }).map((p) => `ot=r:3;p:${p}`),
      number.map((share) => `es=s:${share}`),
      fc.constantFrom('ot=', 'ot=th:', 'x=th:8', 'not=th:8', 'ot=xth:8', 'ot=th:8;p:3', 'vendor=1'),
    )
    const spans = fc.sample(
      fc.record({
        traceState: fc.array(entry, { maxLength: 3 }).map((entries) => entries.join(',')),
        attributes: fc.dictionary(
          fc.constantFrom('sampling.probability', 'SampleRate', '_MS.sampleRate', 'sampler.param'),
          number,
        ),
        type: fc.constantFrom('probabilistic', 'const'),
      }),
      { numRuns: 400, seed: 11 },
    )
    const attributesOf = (i: number): Record<string, string> => ({
      'http.route': '/',
      'sampler.type': spans[i]!.type,
      ...spans[i]!.attributes,
    })
    const traceId = 'cc'.repeat(16)
    await insertCollectorSpans(
      store,
      spans.map(({ traceState }, i) => ({
        TraceId: traceId,
        SpanId: (i + 1).toString(16).padStart(16, '0'),
        SpanAttributes: attributesOf(i),
        startNs: nowNs,
        extra: { TraceState: traceState },
      })),
    )
    const window = { fromMs: 0, toMs: Date.now() + 60_000 }
    const read = await readStored(store, createDictionary(), window)
    const seen = new Set<number>()
    for (let row = 0; row < read.count; row++) {
      if (traceIdHex(read, row) !== traceId) continue
      const i = Number.parseInt(idHex(read.spanId, row), 16) - 1
      const expected = samplingWeight(spans[i]!.traceState, attributesOf(i))
      expect([spans[i], read.weight[row]]).toEqual([spans[i], expected])
      seen.add(expected)
    }
    expect(seen.size).toBeGreaterThan(20)
  })
})

describe('inserts', () => {
  it('of results may be of more days than ClickHouse takes partitions by default', async () => {
    const days = Array.from({ length: 101 }, (_, i) => nowNs - BigInt(i) * 86_400_000_000_000n)
    const block = writeBlock(days.length, [{ name: 'Start', type: 'DateTime64(9)', values: days }])
    await expect(store.insertBlock('samples', block, 'days')).resolves.toBeUndefined()
  })

  it('repeated under one token are stored once, in tables that views feed too', async () => {
    const block = async (token: string) => {
      await store.client.insert({
        table: 'otel_traces',
        values: [
          {
            Timestamp: new Date().toISOString().slice(0, 19).replace('T', ' '),
            TraceId: 'bb'.repeat(16),
            SpanId: '00000000abcdef01',
          },
        ],
        format: 'JSONEachRow',
        clickhouse_settings: {
          insert_deduplication_token: token,
          deduplicate_blocks_in_dependent_materialized_views: 1,
        },
      })
    }
    await block('one')
    await block('one')
    const counts = (table: string, where: string) =>
      rows<{ n: string }>(`SELECT toString(count()) AS n FROM ${table} WHERE ${where}`)
    expect(await counts('otel_traces', `TraceId = '${'bb'.repeat(16)}'`)).toEqual([{ n: '1' }])
    expect(await counts('spans_lean', 'SpanId = 0xabcdef01')).toEqual([{ n: '1' }])
    expect(await counts('otel_traces_trace_id_ts', `TraceId = '${'bb'.repeat(16)}'`)).toEqual([{ n: '1' }])
    await block('two')
    expect(await counts('spans_lean', 'SpanId = 0xabcdef01')).toEqual([{ n: '2' }])
  })
})

it('names endpoints to the engine, however long and odd their names are', async () => {
  for (const sign of ['\\', "'", 'é', '名', '\u{1F600}', '\0', '\n', '%']) {
    const keys = Array.from({ length: 24 }, (_, i) => ({
      environment: '',
      namespace: '',
      service: `${i}`,
      operation: sign.repeat(Math.floor(3300 / sign.length)),
      scope: 'trace' as const,
      version: '',
    }))
    expect(endpointsIn(keys)).not.toBe('')
    const answer = await store.client.query({
      query: `SELECT arrayMap(e -> lengthUTF8(e.4), {endpoints:Array(Tuple(String, String, String, String, String))}) AS lengths`,
      query_params: endpointParams(keys),
      format: 'JSONEachRow',
    })
    const [row] = await answer.json<{ lengths: string[] }>()
    const length = [...keys[0]!.operation].length
    expect(row!.lengths.map(Number), JSON.stringify(sign)).toEqual(keys.map(() => length))
  }
})
