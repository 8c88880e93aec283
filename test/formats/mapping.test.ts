import { describe, expect, test } from 'vitest'
import { normalizeId } from '../../src/formats/ids.ts'
import { readSpans } from './read-all.ts'

const one = async (json: unknown) => {
  const { spans, problems } = await readSpans(JSON.stringify(json))
  expect(problems).toEqual([])
  expect(spans).toHaveLength(1)
  return spans[0]!
}

describe('ids', () => {
  test.each([
    ['4BF92F3577B34DA6', 16, '4bf92f3577b34da6'],
    ['abc', 16, '0000000000000abc'],
    ['abc', 32, `${'0'.repeat(29)}abc`],
    ['0', 16, ''],
    ['', 16, ''],
    [undefined, 16, ''],
    ['AAAAAAAAAAE=', 16, '0000000000000001'],
    ['AAAAAAAAAAAAAAAAAAAAAQ==', 32, `${'0'.repeat(31)}1`],
  ])('%j of %i digits is %j', (id, digits, expected) => {
    expect(normalizeId(id, digits)).toBe(expected)
  })

  test('what is no hex, or too long, is stood in for by its hash: the same each time, and no other', () => {
    const ids = ['span-1', 'span-2', '4bf92f3577b34da64bf92f3577b34da6', `${'0'.repeat(40)}1`]
    const given = ids.map((id) => normalizeId(id, 16))
    expect(new Set(given).size).toBe(ids.length)
    expect(given).toEqual(ids.map((id) => normalizeId(id, 16)))
    for (const id of given) expect(id).toMatch(/^[0-9a-f]{16}$/)
  })
})

describe('Jaeger', () => {
  const jaeger = (span: object, processes: object = {}) =>
    one({
      data: [
        {
          traceID: 'a',
          spans: [{ traceID: 'a', spanID: 'b', startTime: 10, duration: 5, ...span }],
          processes,
        },
      ],
    })

  test('the first CHILD_OF of the same trace is the parent, else the first FOLLOWS_FROM, else parentSpanID', async () => {
    const follows = { refType: 'FOLLOWS_FROM', traceID: 'a', spanID: '1' }
    const child = { refType: 'CHILD_OF', traceID: '0a', spanID: '2' }
    const elsewhere = { refType: 'CHILD_OF', traceID: 'f', spanID: '3' }
    const parent = async (span: object) => (await jaeger(span)).span.parentSpanId.replace(/^0+/, '')
    expect(await parent({ references: [follows, elsewhere, child] })).toBe('2')
    expect(await parent({ references: [elsewhere, follows] })).toBe('1')
    expect(await parent({ references: [elsewhere] })).toBe('')
    expect(await parent({ parentSpanID: '7' })).toBe('7')
    expect(await parent({ references: [child], parentSpanID: '7' })).toBe('2')
  })

  test('references that are no parent are links', async () => {
    const { span } = await jaeger({
      references: [
        { refType: 'CHILD_OF', traceID: 'a', spanID: '2' },
        { refType: 'FOLLOWS_FROM', traceID: 'f', spanID: '3' },
      ],
    })
    expect(span.rest?.links.map((link) => link.spanId)).toEqual(['0000000000000003'])
  })

  test.each([
    [[{ key: 'error', value: true }], 2],
    [[{ key: 'error', value: 'true' }], 2],
    [[{ key: 'error', value: false }], 0],
    [[{ key: 'otel.status_code', value: 'ERROR' }], 2],
    [[{ key: 'otel.status_code', value: 'OK' }], 1],
    [[], 0],
  ])('tags %j are status %i', async (tags, status) => {
    expect((await jaeger({ tags })).span.status).toBe(status)
  })

  test('kind, microseconds, process, logs', async () => {
    const { span, resource } = await jaeger(
      {
        operationName: 'GET /',
        processID: 'p1',
        startTime: 1485449191639875,
        duration: 100,
        tags: [
          { key: 'span.kind', value: 'producer' },
          { key: 'n', value: 7 },
        ],
        logs: [
          {
            timestamp: 1485449191639900,
            fields: [
              { key: 'event', value: 'retry' },
              { key: 'count', value: 2 },
            ],
          },
        ],
      },
      { p1: { serviceName: 'shop', tags: [{ key: 'host.name', value: 'h' }] } },
    )
    expect(span).toMatchObject({
      name: 'GET /',
      kind: 'PRODUCER',
      startNs: 1485449191639875000n,
      endNs: 1485449191639975000n,
      attributes: { n: 7 },
    })
    expect(span.rest?.events).toEqual([
      { timeNs: 1485449191639900000n, name: 'retry', attributes: { count: 2 } },
    ])
    expect(resource.attributes).toEqual({ 'service.name': 'shop', 'host.name': 'h' })
  })

  test("a client library's `hostname` is the host, unless `host.name` says otherwise; no name is no name", async () => {
    const process = async (serviceName: string, ...tags: { key: string; value: string }[]) =>
      (await jaeger({ processID: 'p1' }, { p1: { serviceName, tags } })).resource.attributes
    const hostname = { key: 'hostname', value: 'box-1' }
    expect(await process('shop', hostname)).toEqual({
      'service.name': 'shop',
      hostname: 'box-1',
      'host.name': 'box-1',
    })
    expect(await process('shop', hostname, { key: 'host.name', value: 'h' })).toMatchObject({
      'host.name': 'h',
    })
    expect(await process('OTLPResourceNoServiceName')).toEqual({})
  })

  test('a negative duration stays one: the repairs report it', async () => {
    expect((await jaeger({ duration: -3 })).span).toMatchObject({ startNs: 10_000n, endNs: 7000n })
  })

  test('integers a double cannot hold keep their digits', async () => {
    const text =
      '{"traceID":"a","spans":[{"traceID":"a","spanID":"b","tags":[{"key":"n","value":9007199254740993}]}]}'
    expect((await readSpans(text)).spans[0]?.span.attributes).toEqual({ n: '9007199254740993' })
  })
})

describe('Zipkin', () => {
  const zipkin = (span: object) => one([{ traceId: 'a', id: 'b', timestamp: 10, duration: 5, ...span }])

  test.each([
    [{ tags: { error: '' } }, 2],
    [{ tags: { error: 'timeout' } }, 2],
    [{ tags: { error: 'false' } }, 0],
    [{ tags: { 'otel.status_code': 'OK' } }, 1],
    [{ tags: { 'otel.status_code': 'STATUS_CODE_ERROR' } }, 2],
    [{}, 0],
  ])('%j is status %i', async (fields, status) => {
    expect((await zipkin(fields)).span.status).toBe(status)
  })

  test('endpoints, kind, microseconds, annotations', async () => {
    const { span, resource } = await zipkin({
      kind: 'CONSUMER',
      name: 'poll',
      parentId: 'c',
      timestamp: 1485449191639875,
      localEndpoint: { serviceName: 'shop', ipv4: '10.0.0.1' },
      remoteEndpoint: { serviceName: 'kafka' },
      tags: { topic: 't' },
      annotations: [{ timestamp: 1485449191639876, value: 'ws' }],
    })
    expect(span).toMatchObject({
      kind: 'CONSUMER',
      name: 'poll',
      parentSpanId: '000000000000000c',
      startNs: 1485449191639875000n,
      endNs: 1485449191639880000n,
      attributes: { topic: 't', 'peer.service': 'kafka' },
    })
    expect(span.rest?.events).toEqual([{ timeNs: 1485449191639876000n, name: 'ws', attributes: {} }])
    expect(resource.attributes).toEqual({ 'service.name': 'shop' })
  })

  test("tags that an exporter made of its resource's attributes are the resource's", async () => {
    const { span, resource } = await zipkin({
      localEndpoint: { serviceName: 'shop' },
      tags: {
        'service.namespace': 'eu',
        'service.instance.id': '7',
        'deployment.environment.name': 'prod',
        'http.route': '/',
      },
    })
    expect(resource.attributes).toEqual({
      'service.name': 'shop',
      'service.namespace': 'eu',
      'service.instance.id': '7',
      'deployment.environment.name': 'prod',
    })
    expect(span.attributes).toEqual({ 'http.route': '/' })
  })

  test('a service that an exporter had no name for has none', async () => {
    const { resource } = await zipkin({ localEndpoint: { serviceName: 'OTLPResourceNoServiceName' } })
    expect(resource.attributes).toEqual({})
  })

  test('without a timestamp there is no time, whatever the duration', async () => {
    expect((await zipkin({ timestamp: undefined })).span).toMatchObject({ startNs: 0n, endNs: 0n })
    expect((await zipkin({ duration: undefined })).span).toMatchObject({ startNs: 10_000n, endNs: 10_000n })
  })

  test('the halves of a call share their id', async () => {
    const half = { traceId: 'a', id: 'b', timestamp: 10, duration: 5 }
    const { spans } = await readSpans(
      JSON.stringify([
        { ...half, kind: 'CLIENT' },
        { ...half, kind: 'SERVER', shared: true },
      ]),
    )
    expect(spans.map(({ span }) => [span.kind, span.spanId])).toEqual([
      ['CLIENT', '000000000000000b'],
      ['SERVER', '000000000000000b'],
    ])
  })

  test('v1 is told apart', async () => {
    const { problems } = await readSpans(JSON.stringify([{ traceId: 'a', id: 'b', binaryAnnotations: [] }]))
    expect(problems).toEqual([
      'line 1, byte 1: expected a Zipkin v2 span, found a v1 span; the span is left out',
    ])
  })
})

describe('OTLP JSON', () => {
  const otlp = (span: object) =>
    one({ resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'a', spanId: 'b', ...span }] }] }] })

  test.each([
    [2, 'SERVER'],
    ['SPAN_KIND_CLIENT', 'CLIENT'],
    [0, 'INTERNAL'],
    [undefined, 'INTERNAL'],
    [99, 'INTERNAL'],
  ])('kind %j is %s', async (kind, expected) => {
    expect((await otlp({ kind })).span.kind).toBe(expected)
  })

  test('what older exporters and query APIs wrap it in', async () => {
    const span = { traceId: 'a', spanId: 'b', kind: 2 }
    for (const json of [
      { resourceSpans: [{ instrumentationLibrarySpans: [{ spans: [span] }] }] },
      { batches: [{ instrumentationLibrarySpans: [{ spans: [span] }] }] },
      { trace: { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] } },
      { result: { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] } },
    ]) {
      expect((await one(json)).span.kind).toBe('SERVER')
    }
  })

  test('status by number and by name', async () => {
    expect((await otlp({ status: { code: 2 } })).span.status).toBe(2)
    expect((await otlp({ status: { code: 'STATUS_CODE_ERROR' } })).span.status).toBe(2)
    expect((await otlp({ status: {} })).span.status).toBe(0)
  })

  test('values of every type', async () => {
    const values = {
      text: { stringValue: 'a' },
      yes: { boolValue: true },
      int: { intValue: '42' },
      long: { intValue: '9007199254740993' },
      double: { doubleValue: 1.5 },
      list: { arrayValue: { values: [{ intValue: 1 }, { stringValue: 'b' }] } },
      map: { kvlistValue: { values: [{ key: 'k', value: { boolValue: false } }] } },
      none: {},
    }
    const attributes = Object.entries(values).map(([key, value]) => ({ key, value }))
    expect((await otlp({ attributes })).span.attributes).toEqual({
      text: 'a',
      yes: true,
      int: 42,
      long: '9007199254740993',
      double: 1.5,
      list: [1, 'b'],
      map: { k: false },
      none: null,
    })
  })

  test.each(['-1', '1.5', 'soon', '99999999999999999999', true, {}])(
    'no time: %j',
    async (startTimeUnixNano) => {
      const { spans, problems } = await readSpans(
        JSON.stringify({
          resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'a', spanId: 'b', startTimeUnixNano }] }] }],
        }),
      )
      expect(spans).toEqual([])
      expect(problems).toEqual([expect.stringContaining('expected whole nanoseconds in startTimeUnixNano')])
    },
  )
})
