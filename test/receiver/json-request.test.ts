import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { quoteLongIntegers } from '../../src/receiver/json-integers.ts'
import { protobufOf } from '../../src/receiver/json-request.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock } from '../../src/receiver/native-columns.ts'
import { MalformedError } from '../../src/receiver/wire.ts'
import { readNative } from './native-reader.ts'
import { NOW_NS } from './span-samples.ts'

const WINDOW = { earliestNs: Number(NOW_NS) - 86_400e9, latestNs: Number(NOW_NS) + 86_400e9 }

function decode(json: string) {
  const block = createBlock()
  const outcome = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })(
    block,
    protobufOf(json),
    WINDOW,
  )
  return { outcome, rows: readNative(encodeBlock(block)) }
}

/** A request with one span, fields as JSON text. */
function requestOf(fields: string): string {
  return `{"resourceSpans":[{"scopeSpans":[{"spans":[{
    "traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174",
    "startTimeUnixNano":"${NOW_NS}","endTimeUnixNano":"${NOW_NS}"${fields === '' ? '' : `,${fields}`}}]}]}]}`
}

const rowOf = (fields: string) => decode(requestOf(fields)).rows[0]!
const attributeText = (json: string) =>
  (rowOf(`"attributes":[{"key":"k","value":${json}}]`).SpanAttributes as [string, string][])[0]![1]

describe('OTLP/JSON', () => {
  it('reads ids in any case, and numbers of 64 bits as numbers', () => {
    const times = `"startTimeUnixNano":${NOW_NS + 1n},"endTimeUnixNano": ${NOW_NS + 8n}`
    expect(rowOf(times)).toMatchObject({
      TraceId: '5b8efff798038103d269b633813fc60c',
      SpanId: 'eee19b7ec3c1b174',
      Timestamp: NOW_NS + 1n,
      Duration: 7n,
    })
  })

  it.each([
    ['"kind":2', { SpanKind: 'Server' }],
    ['"kind":"SPAN_KIND_CLIENT"', { SpanKind: 'Client' }],
    ['"kind":"CONSUMER"', { SpanKind: 'Consumer' }],
    ['"kind":77', { SpanKind: '' }],
    ['"status":{"code":2,"message":"x"}', { StatusCode: 'Error', StatusMessage: 'x' }],
    ['"status":{"code":"STATUS_CODE_OK"}', { StatusCode: 'Ok' }],
    ['"status":null,"links":null', { StatusCode: 'Unset', 'Links.SpanId': [] }],
    ['"parent_span_id":"0102030405060708","trace_state":"a=1"', { ParentSpanId: '0102030405060708' }],
    ['"parentSpanId":""', { ParentSpanId: '' }],
    ['"unknown":{"a":[1]},"flags":257,"droppedLinksCount":1', { SpanName: '' }],
    ['"name":"\\u00fc \\ud800 \\""', { SpanName: 'ü \ufffd "' }],
  ])('%s', (fields, expected) => {
    expect(rowOf(fields)).toMatchObject(expected)
  })

  it.each([
    ['{"intValue":"9223372036854775807"}', '9223372036854775807'],
    ['{"intValue":-9223372036854775808}', '-9223372036854775808'],
    ['{"intValue":12}', '12'],
    ['{"intValue":1e30}', '1e+30'],
    ['{"doubleValue":1}', '1'],
    ['{"doubleValue":"NaN"}', 'json: unsupported value: NaN'],
    ['{"doubleValue":"-Infinity"}', 'json: unsupported value: -Inf'],
    ['{"boolValue":false}', 'false'],
    ['{"bytesValue":"AP8="}', 'AP8='],
    ['{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"}]}}', '[1,"a"]'],
    ['{"arrayValue":{}}', '[]'],
    ['{"kvlistValue":{"values":[{"key":"a","value":{"boolValue":true}}]}}', '{"a":true}'],
    ['{}', ''],
    ['null', ''],
  ])('value %s', (json, expected) => {
    expect(attributeText(json)).toBe(expected)
  })

  it.each([
    '',
    'null',
    '[]',
    '{',
    '{"resourceSpans":7}',
    '{"resourceSpans":[7]}',
    requestOf('"kind":"SOMETHING"'),
    requestOf('"name":7'),
    requestOf('"traceId":7'),
    requestOf('"startTimeUnixNano":"soon"'),
    requestOf('"startTimeUnixNano":-1'),
    requestOf('"startTimeUnixNano":1.5'),
    requestOf('"endTimeUnixNano":"99999999999999999999"'),
    requestOf('"attributes":{"a":1}'),
    requestOf('"attributes":[{"key":"a","value":{"boolValue":"yes"}}]'),
    requestOf('"attributes":[{"key":"a","value":{"doubleValue":"much"}}]'),
    requestOf(`"attributes":[{"key":"a","value":${'{"arrayValue":{"values":['.repeat(5000)}`),
    requestOf(`"attributes":[{"key":"a","value":${nested(5000)}}]`),
  ])('malformed: %.60s', (json) => {
    expect(() => protobufOf(json)).toThrow(MalformedError)
  })

  it('a value nested too deeply is malformed', () => {
    const of = (depth: number) =>
      decode(requestOf(`"attributes":[{"key":"a","value":${nested(depth)}}]`)).outcome.kind
    expect([of(50), of(70)]).toEqual(['decoded', 'malformed'])
  })

  it('an integer of millions of digits is malformed, not work for minutes', () => {
    const digits = '7'.repeat(20_000_000)
    expect(() => rowOf(`"attributes":[{"key":"k","value":{"intValue":"${digits}"}}]`)).toThrow(MalformedError)
    expect(() => rowOf(`"kind":${digits}`)).toThrow(MalformedError)
    expect(() => rowOf('"kind":"0x2"')).toThrow(MalformedError)
  })

  it('an id that is no hex rejects its span only', () => {
    const { outcome } = decode(requestOf('"spanId":"zzz19b7ec3c1b174"'))
    expect(outcome).toMatchObject({ rejected: { 'invalid-span-id': 1 } })
    const parent = decode(requestOf('"parentSpanId":"nope"'))
    expect(parent.outcome).toMatchObject({ rejected: { 'invalid-parent-id': 1 } })
  })
})

describe('long integers', () => {
  it('only those outside of texts are quoted', () => {
    const json =
      '{"a":1234567890123456789,"b":"x\\\\","c":[-1234567890123456789 ,1.1234567890123456789,12],"d":" 1234567890123456789"}'
    expect(JSON.parse(quoteLongIntegers(json))).toEqual({
      a: '1234567890123456789',
      b: 'x\\',
      c: ['-1234567890123456789', Number('1.1234567890123456789'), 12],
      d: ' 1234567890123456789',
    })
  })

  it('no other JSON is changed', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const withLong = `{"long":12345678901234567890,"json":${json}}`
        expect(JSON.parse(quoteLongIntegers(withLong))).toEqual({
          long: '12345678901234567890',
          json: JSON.parse(json, (_, value) =>
            typeof value === 'number' && Number.isInteger(value) && /^-?\d{16,}$/.test(String(value))
              ? expect.anything()
              : value,
          ),
        })
      }),
    )
  })
})

function nested(depth: number): string {
  return `${'{"arrayValue":{"values":['.repeat(depth)}{}${']}}'.repeat(depth)}`
}
