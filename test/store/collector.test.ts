import { afterAll, beforeAll, expect, it } from 'vitest'
import { startAnalyzer } from '../../src/analyzer/analyzer.ts'
import { openTestStore, quiet, type TestStore } from '../support/store.ts'

let store: TestStore
beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store?.close())

/** Columns of the INSERT of the Collector's ClickHouse exporter (0.165), in its order. */
const COLUMNS =
  'Timestamp, TraceId, SpanId, ParentSpanId, TraceState, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, ' +
  'ScopeVersion, SpanAttributes, Duration, StatusCode, StatusMessage, Events.Timestamp, Events.Name, Events.Attributes, ' +
  'Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes'

const TRACE = '0102030405060708090a0b0c0d0e0f10'
const seconds = Math.floor(Date.now() / 1000) - 60
const span = (id: number, parent: string, kind: string, startMs: number, ms: number, attributes: object) => [
  `${seconds}.${String(startMs).padStart(3, '0')}000001`,
  TRACE,
  String(id).padStart(16, '0'),
  parent,
  '',
  `span ${id}`,
  kind,
  'checkout',
  { 'service.name': 'checkout' },
  'scope',
  '1.0',
  attributes,
  ms * 1_000_000,
  'Error',
  'it failed',
  [`${seconds}.500000000`],
  ['exception'],
  [{ 'exception.type': 'Timeout' }],
  ['f'.repeat(32)],
  ['e'.repeat(16)],
  ['a=b'],
  [{ why: 'batch' }],
]

/** What Grafana's ClickHouse data source asks for its trace view of OpenTelemetry tables (otelVersion latest). */
const TRACE_VIEW = `
  WITH '${TRACE}' AS trace_id,
    (SELECT min(Start) FROM otel_traces_trace_id_ts WHERE TraceId = trace_id) AS trace_start,
    (SELECT max(End) + 1 FROM otel_traces_trace_id_ts WHERE TraceId = trace_id) AS trace_end
  SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, ServiceName AS serviceName,
    SpanName AS operationName, SpanKind AS kind, StatusMessage AS statusMessage,
    multiply(toUnixTimestamp64Nano(Timestamp), 0.000001) AS startTime, multiply(Duration, 0.000001) AS duration,
    if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode,
    arrayMap(key -> map('key', key, 'value', SpanAttributes[key]), mapKeys(SpanAttributes)) AS tags,
    arrayMap(key -> map('key', key, 'value', ResourceAttributes[key]), mapKeys(ResourceAttributes)) AS serviceTags,
    arrayMap((n, t, a) -> (n, toString(toUnixTimestamp64Milli(t)), mapKeys(a)),
      Events.Name, Events.Timestamp, Events.Attributes) AS logs,
    arrayMap((t, s) -> (t, s), Links.TraceId, Links.SpanId) AS references
  FROM otel_traces
  WHERE traceID = trace_id AND Timestamp >= trace_start AND Timestamp <= trace_end
  ORDER BY spanID LIMIT 1000`

it('takes what the Collector exports, shows it in the trace view of Grafana, and analyzes it', async () => {
  const { stream } = await store.client.exec({
    query: `INSERT INTO otel_traces (${COLUMNS}) FORMAT JSONCompactEachRow
      ${JSON.stringify(span(1, '', 'Server', 100, 90, {}))}
      ${JSON.stringify(span(2, '0000000000000001', 'Client', 110, 60, { 'db.system': 'mysql', rows: '7' }))}`,
  })
  stream.resume()
  const answer = await store.client.query({ query: TRACE_VIEW, format: 'JSONEachRow' })
  const rows = await answer.json<Record<string, unknown>>()
  expect(rows.map((row) => row.spanID)).toEqual(['0000000000000001', '0000000000000002'])
  expect(rows[1]).toMatchObject({
    traceID: TRACE,
    parentSpanID: '0000000000000001',
    serviceName: 'checkout',
    operationName: 'span 2',
    kind: 'Client',
    duration: 60,
    statusCode: 2,
    statusMessage: 'it failed',
    tags: [
      { key: 'db.system', value: 'mysql' },
      { key: 'rows', value: '7' },
    ],
    serviceTags: [{ key: 'service.name', value: 'checkout' }],
    logs: [['exception', `${seconds}500`, ['exception.type']]],
    references: [['f'.repeat(32), 'e'.repeat(16)]],
  })
  expect(Number(rows[1]!.startTime)).toBeCloseTo(seconds * 1000 + 110, 0)

  await startAnalyzer({ store, settleSeconds: 0, log: quiet, loop: false }).drain()
  const samples = await store.client.query({
    // Components in any order.
    query: `SELECT Service, Operation, DurationNs, IsError, arraySort(arrayZip(ComponentNames, IfInstantNs)) AS IfInstant
      FROM samples FINAL`,
    format: 'JSONEachRow',
  })
  expect(await samples.json()).toEqual([
    {
      Service: 'checkout',
      Operation: 'span 1',
      DurationNs: 90_000_000,
      IsError: 1,
      IfInstant: [
        ['checkout', 60_000_000],
        ['mysql', 30_000_000],
      ],
    },
  ])
})
