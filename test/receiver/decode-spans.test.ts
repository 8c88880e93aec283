import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSpanDecoder, type DecodeOutcome } from '../../src/receiver/decode-spans.ts'
import { protobufOf } from '../../src/receiver/json-request.ts'
import { DEFAULT_SPAN_LIMITS, type SpanLimits } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { clearBlock, createBlock, FLAG_CUT, FLAG_NO_START } from '../../src/receiver/native-columns.ts'
import { type NativeRow, readNative } from './native-reader.ts'
import { field, join, message, string, varint } from './proto-writer.ts'
import { anySpan, NOW_NS, readableOf, rowOf, type SampleSpan, sampleSpan } from './span-samples.ts'

const WINDOW = { earliestNs: Number(NOW_NS) - 7 * 86_400e9, latestNs: Number(NOW_NS) + 86_400e9 }

function decoderOf(limits: Partial<SpanLimits> = {}, maxRowBytes = 1e9) {
  return createSpanDecoder({ limits: { ...DEFAULT_SPAN_LIMITS, ...limits }, maxRowBytes })
}

function serialize(spans: readonly SampleSpan[]): Uint8Array {
  return ProtobufTraceSerializer.serializeRequest(readableOf(spans))!
}

function decode(request: Uint8Array, limits: Partial<SpanLimits> = {}) {
  const block = createBlock()
  const outcome = decoderOf(limits)(block, request, WINDOW)
  return { outcome, rows: readNative(encodeBlock(block)), block }
}

/** A request of one resource, one scope and these span messages. */
function requestOf(...spans: Uint8Array[]): Uint8Array {
  return message(1, message(2, ...spans.map((span) => message(2, span))))
}

const IDS = join(field(1, Buffer.alloc(16, 7)), field(2, Buffer.alloc(8, 9)))
function fixed64(number: number, value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return join(varint((number << 3) | 1), bytes)
}
const TIMES = join(fixed64(7, NOW_NS), fixed64(8, NOW_NS + 5n))
const ROW = rowOf(sampleSpan())

function attribute(...anyValue: Uint8Array[]): Uint8Array {
  return message(9, string(1, 'k'), message(2, ...anyValue))
}

function textOf(...anyValue: Uint8Array[]): unknown {
  const { rows } = decode(requestOf(join(IDS, TIMES, attribute(...anyValue))))
  return (rows[0]!.SpanAttributes as [string, string][])[0]![1]
}

function rejectedOf(outcome: DecodeOutcome): Record<string, number> {
  if (outcome.kind !== 'decoded') throw new Error(outcome.kind)
  return Object.fromEntries(Object.entries(outcome.rejected).filter(([, count]) => count > 0))
}

describe('against what the SDK serializes', () => {
  const order = (rows: NativeRow[]) =>
    rows.sort((a, b) => (String(a.TraceId) + a.SpanId < String(b.TraceId) + b.SpanId ? -1 : 1))

  it('protobuf reads back span by span', () => {
    fc.assert(
      fc.property(fc.array(anySpan, { maxLength: 12 }), (spans) => {
        const { outcome, rows } = decode(serialize(spans))
        expect(outcome).toMatchObject({ kind: 'decoded', rows: spans.length, received: spans.length })
        expect(order(rows)).toEqual(order(spans.map(rowOf)))
      }),
      { numRuns: 300 },
    )
  })

  it('JSON gives the same rows', () => {
    fc.assert(
      fc.property(fc.array(anySpan, { maxLength: 6 }), (spans) => {
        const json = Buffer.from(JsonTraceSerializer.serializeRequest(readableOf(spans))!).toString()
        const { rows } = decode(protobufOf(json))
        expect(order(rows)).toEqual(order(spans.map(rowOf)))
      }),
      { numRuns: 200 },
    )
  })

  it('any part of the rows can be encoded, and a block is used again', () => {
    const decoder = decoderOf()
    const block = createBlock()
    fc.assert(
      fc.property(
        fc.array(anySpan, { minLength: 1, maxLength: 10 }),
        fc.nat(10),
        fc.nat(10),
        (spans, a, b) => {
          clearBlock(block)
          decoder(block, serialize(spans), WINDOW)
          const all = readNative(encodeBlock(block))
          const from = Math.min(a, b, spans.length)
          const to = Math.min(Math.max(a, b), spans.length)
          expect(readNative(encodeBlock(block, from, to))).toEqual(all.slice(from, to))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('many requests share a block; dictionaries beyond 256 and 65,536 values hold', () => {
    const decoder = decoderOf()
    for (const count of [300, 70_000]) {
      const block = createBlock()
      const names: string[] = []
      for (let at = 0; at < count; at += 1000) {
        const spans = Array.from({ length: Math.min(1000, count - at) }, (_, i) =>
          sampleSpan({ name: `name ${at + i}` }),
        )
        names.push(...spans.map((span) => span.name))
        decoder(block, serialize(spans), WINDOW)
      }
      expect(readNative(encodeBlock(block)).map((row) => row.SpanName)).toEqual(names)
    }
  })
})

describe('attribute values as text', () => {
  it.each([
    ['bool', varintField(2, 1n), 'true'],
    ['int64 beyond double', varintField(3, 9_007_199_254_740_993n), '9007199254740993'],
    ['smallest int64', varintField(3, 1n << 63n), '-9223372036854775808'],
    ['minus one', varintField(3, (1n << 64n) - 1n), '-1'],
    ['int beyond 32 bits', varintField(3, 1n << 31n), '2147483648'],
    ['double', double(1.5), '1.5'],
    ['whole double', double(3), '3'],
    ['small double', double(1e-7), '1e-7'],
    ['large double', double(1e21), '1e+21'],
    ['minus zero', double(-0), '-0'],
    ['not a number', double(Number.NaN), 'json: unsupported value: NaN'],
    ['infinity', double(Number.POSITIVE_INFINITY), 'json: unsupported value: +Inf'],
    ['bytes', field(7, Buffer.from([0, 255])), 'AP8='],
    ['nothing', new Uint8Array(0), ''],
    ['unknown', varintField(15, 3n), ''],
    ['the last of several', join(string(1, 'first'), varintField(2, 0n)), 'false'],
    ['unknown beside a value', join(string(1, 'x'), varintField(15, 3n)), 'x'],
    [
      'array',
      message(5, message(1, string(1, 'a"b')), message(1, varintField(3, 1n)), message(1)),
      '["a\\"b",1,null]',
    ],
    [
      'exact int in an array',
      message(5, message(1, varintField(3, 9_007_199_254_740_993n))),
      '[9007199254740993]',
    ],
    ['no number in an array', message(5, message(1, double(Number.NaN))), '["NaN"]'],
    [
      'map, sorted, the last of equal keys',
      message(
        6,
        message(1, string(1, 'b'), message(2, varintField(3, 1n))),
        message(1, string(1, 'a'), message(2, message(5))),
        message(1, string(1, 'b'), message(2, varintField(3, 2n))),
      ),
      '{"a":[],"b":2}',
    ],
  ] as const)('%s', (_, anyValue, expected) => {
    expect(textOf(anyValue)).toBe(expected)
  })

  it('bytes that are no UTF-8 are replaced, everywhere', () => {
    const bad = Buffer.from([0x61, 0xff, 0x62])
    const long = Buffer.concat([Buffer.alloc(200, 0x61), Buffer.from([0xc3])])
    const span = join(
      IDS,
      TIMES,
      field(5, bad),
      message(9, field(1, bad), message(2, field(1, bad))),
      message(9, field(1, bad), message(2, field(1, long))),
      message(9, string(1, 'a'), message(2, message(5, message(1, field(1, bad))))),
      message(11, fixed64(1, 5n), field(2, bad)),
      message(15, field(2, bad)),
    )
    const { rows } = decode(requestOf(span, span))
    for (const row of rows) {
      expect(row).toMatchObject({
        SpanName: 'a\ufffdb',
        StatusMessage: 'a\ufffdb',
        'Events.Name': ['a\ufffdb'],
        SpanAttributes: [
          ['a\ufffdb', 'a\ufffdb'],
          ['a\ufffdb', `${'a'.repeat(200)}\ufffd`],
          ['a', '["a\ufffdb"]'],
        ],
      })
    }
  })
})

describe('order and repetition of fields', () => {
  it('resource and scope may come behind the spans, in parts', () => {
    const span = message(2, IDS, TIMES)
    const scope = [message(1, string(1, 'old'), string(2, '2')), message(1, string(1, 'new'))]
    const attributeOf = (key: string, text: string) =>
      message(1, message(1, string(1, key), message(2, string(1, text))))
    const request = message(
      1,
      message(2, span, ...scope),
      attributeOf('a', '1'),
      attributeOf('service.name', 'shop'),
    )
    expect(decode(request).rows).toMatchObject([
      {
        ServiceName: 'shop',
        ResourceAttributes: [
          ['a', '1'],
          ['service.name', 'shop'],
        ],
        ScopeName: 'new',
        ScopeVersion: '2',
      },
    ])
  })

  it('a value before its key, unknown fields, groups and a known field of another wire type', () => {
    const group = join(varint((20 << 3) | 3), varintField(1, 5n), varint((20 << 3) | 4))
    const span = join(
      IDS,
      TIMES,
      message(9, message(2, string(1, 'v')), string(1, 'k')),
      group,
      string(99, 'unknown'),
      varintField(5, 7n),
      join(varint((16 << 3) | 5), Buffer.alloc(4, 1)),
    )
    expect(decode(requestOf(span)).rows).toMatchObject([{ SpanName: '', SpanAttributes: [['k', 'v']] }])
  })

  it('of a repeated scalar the last counts', () => {
    const span = join(
      IDS,
      TIMES,
      string(5, 'first'),
      string(5, 'second'),
      string(3, 'a=1'),
      string(3, 'b=2'),
      message(15, string(2, 'x'), varintField(3, 1n)),
      message(15, string(2, 'y')),
    )
    expect(decode(requestOf(span)).rows).toMatchObject([
      { SpanName: 'second', TraceState: 'b=2', StatusMessage: 'y', StatusCode: 'Ok' },
    ])
  })

  it('kinds and status codes that are not known are empty, as the Collector writes them', () => {
    const of = (kind: bigint, status: bigint) =>
      join(IDS, TIMES, varintField(6, kind), message(15, varintField(3, status)))
    const rows = decode(requestOf(of(0n, 0n), of(5n, 2n), of(6n, 3n), of((1n << 64n) - 1n, 1n << 40n))).rows
    expect(rows.map((row) => [row.SpanKind, row.StatusCode])).toEqual([
      ['Unspecified', 'Unset'],
      ['Consumer', 'Error'],
      ['', ''],
      ['', ''],
    ])
  })
})

describe('times', () => {
  const at = (start: bigint, end: bigint) => join(IDS, fixed64(7, start), fixed64(8, end))

  it('an end before the start: no duration, and how much', () => {
    const { rows } = decode(requestOf(at(NOW_NS, NOW_NS - 7_000_000_000n), at(NOW_NS, 0n)))
    expect(rows).toMatchObject([
      { Timestamp: NOW_NS, Duration: 0n, EndBeforeStartNs: 7_000_000_000n, Flags: 0 },
      { Timestamp: NOW_NS, Duration: 0n, EndBeforeStartNs: NOW_NS, Flags: 0 },
    ])
  })

  it('a duration beyond 32 bits is exact', () => {
    const { rows } = decode(
      requestOf(at(NOW_NS, NOW_NS + 123_456_789_012_345n), at(NOW_NS, (1n << 64n) - 1n)),
    )
    expect(rows.map((row) => row.Duration)).toEqual([123_456_789_012_345n, (1n << 64n) - 1n - NOW_NS])
  })

  it('a start of 0 becomes the end, marked', () => {
    expect(decode(requestOf(at(0n, NOW_NS))).rows).toMatchObject([
      { Timestamp: NOW_NS, Duration: 0n, EndBeforeStartNs: 0n, Flags: FLAG_NO_START },
    ])
  })

  it('an event beyond the year 2262 is at its last moment', () => {
    const span = join(IDS, TIMES, message(11, fixed64(1, (1n << 64n) - 1n)))
    expect(decode(requestOf(span)).rows).toMatchObject([{ 'Events.Timestamp': [(1n << 63n) - 1n] }])
  })

  it('rejects what has no time or lies outside the window, keeps the rest', () => {
    const day = 86_400_000_000_000n
    const spans = [
      at(0n, 0n),
      at(0n, NOW_NS - 8n * day),
      at(NOW_NS - 8n * day, NOW_NS),
      at(NOW_NS - 6n * day, NOW_NS),
      at(NOW_NS + 2n * day, NOW_NS),
      at((1n << 64n) - 1n, NOW_NS),
    ]
    const { outcome, rows } = decode(requestOf(...spans))
    expect(rejectedOf(outcome)).toEqual({ 'no-time': 1, 'too-old': 2, 'too-new': 2 })
    expect(rows).toHaveLength(1)
  })
})

describe('ids', () => {
  const span = (traceId: Uint8Array, spanId: Uint8Array, parentId: Uint8Array) =>
    join(field(1, traceId), field(2, spanId), field(4, parentId), TIMES)
  const bytes = (length: number, byte = 5) => Buffer.alloc(length, byte)

  it('of the wrong length or all zero reject their span', () => {
    const { outcome, rows } = decode(
      requestOf(
        span(bytes(15), bytes(8), bytes(0)),
        span(bytes(17), bytes(8), bytes(0)),
        span(bytes(16, 0), bytes(8), bytes(0)),
        TIMES,
        span(bytes(16), bytes(7), bytes(0)),
        span(bytes(16), bytes(8, 0), bytes(0)),
        span(bytes(16), bytes(8), bytes(7)),
        span(bytes(16), bytes(8), bytes(8, 0)),
      ),
    )
    expect(rejectedOf(outcome)).toEqual({
      'invalid-trace-id': 4,
      'invalid-span-id': 2,
      'invalid-parent-id': 1,
    })
    expect(rows).toMatchObject([{ ParentSpanId: '', SpanId: '05'.repeat(8) }])
  })

  it('of a link are kept as far as they go', () => {
    const link = message(13, field(1, bytes(20)), field(2, bytes(3)))
    expect(decode(requestOf(join(IDS, TIMES, link, message(13)))).rows).toMatchObject([
      { 'Links.TraceId': ['05'.repeat(16), ''], 'Links.SpanId': ['050505', ''] },
    ])
  })

  it('a rejected span leaves nothing of its attributes, events, links', () => {
    const good = sampleSpan({ events: [{ name: 'e', timeNs: NOW_NS, attributes: { x: 1 } }] })
    const bad = sampleSpan({
      startNs: 5n,
      name: 'bad',
      statusMessage: 'bad',
      traceState: 'a=1',
      attributes: { bad: 'bad' },
      events: [{ name: 'bad', timeNs: 1n, attributes: { bad: 1 } }],
      links: [{ traceId: good.traceId, spanId: good.spanId, attributes: { bad: 1 } }],
    })
    const block = createBlock()
    decoderOf()(block, serialize([good, bad, good, bad]), WINDOW)
    const bytes = encodeBlock(block)
    expect(readNative(bytes)).toEqual([rowOf(good), rowOf(good)])
    expect(bytes.includes('bad')).toBe(false)
  })
})

describe('limits', () => {
  it.each([
    ['resources', Buffer.alloc(4000, Buffer.from([0x0a, 0x00]))],
    ['scopes', message(1, Buffer.alloc(4000, Buffer.from([0x12, 0x00])))],
  ])('%s count, though nothing is in them: two bytes each are work', (_, bytes) => {
    const decoder = decoderOf({}, 100_000)
    expect(decoder(createBlock(), bytes, WINDOW).kind).toBe('too-large')
    expect(decoder(createBlock(), bytes.subarray(0, 3), WINDOW).kind).toBe('malformed')
  })

  it('cut, count and mark', () => {
    const span = sampleSpan({
      name: 'n'.repeat(30),
      attributes: { ['k'.repeat(30)]: 'ü'.repeat(30), b: ['x'.repeat(40)], c: 1, d: 2 },
      events: Array.from({ length: 4 }, () => ({ name: 'e', timeNs: NOW_NS, attributes: {} })),
      links: Array.from({ length: 3 }, () => ({
        traceId: 'ab'.repeat(16),
        spanId: 'cd'.repeat(8),
        attributes: {},
      })),
    })
    const limits = {
      nameBytes: 10,
      keyBytes: 20,
      valueBytes: 21,
      attributes: 3,
      eventsPerSpan: 2,
      linksPerSpan: 1,
    }
    const { outcome, rows } = decode(serialize([span, sampleSpan({ name: 'short' })]), limits)
    expect(outcome).toMatchObject({
      cuts: { names: 1, keys: 1, values: 2, attributes: 1, events: 2, links: 2 },
    })
    expect(rows).toMatchObject([
      {
        SpanName: 'n'.repeat(10),
        SpanAttributes: [
          ['k'.repeat(20), 'ü'.repeat(10)],
          ['b', `["${'x'.repeat(19)}`],
          ['c', '1'],
        ],
        'Events.Name': ['e', 'e'],
        'Links.SpanId': ['cd'.repeat(8)],
        Flags: FLAG_CUT,
      },
      { SpanName: 'short', Flags: 0 },
    ])
  })

  it('what is cut of a resource marks all its spans, and no others', () => {
    const of = (service: string) => sampleSpan({ resource: { 'service.name': service } })
    const { rows } = decode(serialize([of('x'.repeat(50)), of('y')]), { valueBytes: 20 })
    expect(rows.map((row) => [row.ServiceName, row.Flags])).toEqual([
      ['x'.repeat(20), FLAG_CUT],
      ['y', 0],
    ])
  })

  it('a large resource repeated for every span is refused before it fills the memory', () => {
    const spans = Array.from({ length: 1000 }, () => sampleSpan({ resource: { a: 'x'.repeat(10_000) } }))
    const block = createBlock()
    const outcome = decoderOf({}, 1_000_000)(block, serialize(spans), WINDOW)
    expect(outcome.kind).toBe('too-large')
    expect(block.rows).toBe(0)
  })
})

describe('what is no request', () => {
  const nestedValue = (depth: number) => {
    let value = string(1, 'x')
    for (let i = 0; i < depth; i++) value = message(5, message(1, value))
    return requestOf(join(IDS, TIMES, attribute(value)))
  }

  it.each([
    ['varint without an end', Buffer.alloc(20, 0xff)],
    ['varint past the end', Buffer.from([0x0a, 0x80])],
    ['length past the end', Buffer.from([0x0a, 0x05, 0x0a])],
    ['length of 2^31', Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x08])],
    ['length of 2^32 - 1', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['length of 2^63', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['inner length past the outer end', message(1, Buffer.from([0x12, 0x10, 0x00]))],
    ['field number 0', Buffer.from([0x02, 0x00])],
    ['wire type 7', Buffer.from([0x0f, 0x00])],
    ['end of a group that did not start', Buffer.from([0x0c])],
    ['group without an end', Buffer.from([0x0b, 0x08, 0x01])],
    ['groups nested too deeply', Buffer.alloc(100, 0x0b)],
    ['truncated time', requestOf(Buffer.from([0x39, 1, 2]))],
    ['values nested too deeply', nestedValue(80)],
    ['text', Buffer.from('hello, this is no protobuf')],
  ])('%s', (_, bytes) => {
    expect(decode(bytes).outcome.kind).toBe('malformed')
  })

  it('values nested less deeply are read', () => {
    expect(decode(nestedValue(60)).rows).toHaveLength(1)
    expect(decode(nestedValue(20_000)).outcome.kind).toBe('malformed')
  })

  it('leaves the rows of a shared block as they were', () => {
    const decoder = decoderOf()
    const block = createBlock()
    const first = serialize([sampleSpan()])
    decoder(block, first, WINDOW)
    const other = serialize([
      sampleSpan({ name: 'other', attributes: { other: 'other' }, resource: { 'service.name': 'other' } }),
    ])
    const truncated = Buffer.concat([other, other.subarray(0, -1)])
    expect(decoder(block, truncated, WINDOW).kind).toBe('malformed')
    expect(readNative(encodeBlock(block))).toEqual([ROW])
    decoder(block, first, WINDOW)
    expect(readNative(encodeBlock(block))).toEqual([ROW, ROW])
  })

  it('leaves no many texts in a shared block', () => {
    const decoder = decoderOf()
    const block = createBlock()
    decoder(block, serialize([sampleSpan()]), WINDOW)
    const before = encodeBlock(block)
    const many = Array.from({ length: 100 }, (_, i) =>
      sampleSpan({
        name: `name ${i}`,
        attributes: { [`key ${i}`]: 'v' },
        resource: { 'service.name': `service ${i}` },
      }),
    )
    const truncated = serialize(many).slice(0, -1)
    expect(decoder(block, truncated, WINDOW).kind).toBe('malformed')
    expect(encodeBlock(block).length - before.length).toBeLessThan(100)
  })

  it('an empty request is one', () => {
    expect(decode(new Uint8Array(0)).outcome).toMatchObject({ kind: 'decoded', rows: 0 })
  })
})

function varintField(number: number, value: bigint): Uint8Array {
  return join(varint(number << 3), varint(value))
}

function double(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return join(varint((4 << 3) | 1), bytes)
}
