import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { encodeBlock } from '../../src/receiver/native-block.ts'
import { createBlock } from '../../src/receiver/native-columns.ts'
import { inStorageOrder } from '../../src/receiver/row-order.ts'
import { type NativeRow, readNative } from './native-reader.ts'
import { anySpan, NOW_NS, readableOf, type SampleSpan, sampleSpan, sampleSpans } from './span-samples.ts'

const SECOND = 1_000_000_000n

function blockOf(...requests: SampleSpan[][]) {
  const block = createBlock()
  const decode = createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 })
  for (const spans of requests) {
    const request = ProtobufTraceSerializer.serializeRequest(readableOf(spans))!
    expect(decode(block, request, { earliestNs: 0, latestNs: Number.MAX_VALUE })).toMatchObject({
      kind: 'decoded',
    })
  }
  return block
}

/** By service, name, second, as ClickHouse compares; rows alike in all three in the order that they came in. */
function sorted(rows: NativeRow[]): NativeRow[] {
  const compare = (a: NativeRow, b: NativeRow, column: string) =>
    Buffer.compare(Buffer.from(a[column] as string), Buffer.from(b[column] as string))
  const second = (row: NativeRow) => (row.Timestamp as bigint) / SECOND
  return rows.toSorted(
    (a, b) => compare(a, b, 'ServiceName') || compare(a, b, 'SpanName') || Number(second(a) - second(b)),
  )
}

describe('inStorageOrder', () => {
  it('gives the same rows, in the order of otel_traces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(anySpan, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 6 }),
        (requests) => {
          const block = blockOf(...requests)
          const before = encodeBlock(block)
          expect(readNative(encodeBlock(inStorageOrder(block)))).toEqual(sorted(readNative(before)))
          // A part of it may still be inserted by itself.
          expect(encodeBlock(block).equals(before)).toBe(true)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('takes names by their bytes, and seconds to the nanosecond', () => {
    const full = (NOW_NS / SECOND) * SECOND
    const spansOf = (...names: string[]) =>
      names.flatMap((name, n) =>
        [1n, 0n, -1n, SECOND - 1n, -SECOND].map((ns, i) =>
          sampleSpan({
            ...{ name, startNs: full + ns, endNs: full + ns },
            spanId: (8 * n + i + 1).toString(16).padStart(16, '0'),
            resource: { 'service.name': `service ${i % 2}` },
          }),
        ),
      )
    for (const spans of [spansOf('b', '\u{10000}', '\uffff', 'a', 'aa', ''), spansOf('one')]) {
      const block = blockOf(spans)
      const rows = readNative(encodeBlock(block))
      expect(sorted(rows)).not.toEqual(rows)
      expect(readNative(encodeBlock(inStorageOrder(block)))).toEqual(sorted(rows))
    }
  })

  it('leaves rows as they are that are in order, or not worth ordering', () => {
    const one = blockOf([sampleSpan(), sampleSpan({ startNs: NOW_NS + SECOND })])
    expect(inStorageOrder(one)).toBe(one)
    const none = createBlock()
    expect(inStorageOrder(none)).toBe(none)
    const apart = blockOf([sampleSpan({ startNs: NOW_NS }), sampleSpan({ startNs: 1n })])
    expect(inStorageOrder(apart)).toBe(apart)
    const many = blockOf(sampleSpans(5000).map((span, i) => ({ ...span, name: `op ${5000 - i}` })))
    expect(inStorageOrder(many)).toBe(many)
  })
})
