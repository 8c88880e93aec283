import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FileSpan } from '../../src/formats/file-span.ts'
import { encodeRequest } from './otlp-proto.ts'
import { readSpans } from './read-all.ts'

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((b) => Buffer.from(b).toString('hex'))
const id = (bytes: number) => hex(bytes).filter((digits) => /[^0]/.test(digits))
const uint64 = fc.bigInt(0n, 2n ** 64n - 1n).map(String)
const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const { value: anyValue } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.record({ stringValue: text }),
    fc.record({ boolValue: fc.boolean() }),
    fc.record({ intValue: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String) }),
    fc.record({ doubleValue: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
    fc.record({ arrayValue: fc.record({ values: fc.array(tie('value'), { maxLength: 3 }) }) }),
    fc.record({ kvlistValue: fc.record({ values: tie('attributes') }) }),
  ),
  attributes: fc.uniqueArray(fc.record({ key: text, value: tie('value') }), {
    selector: (pair) => (pair as { key: string }).key,
    maxLength: 3,
  }),
}))
const attributes = fc.uniqueArray(fc.record({ key: text, value: anyValue }), {
  selector: ({ key }) => key,
  maxLength: 4,
})
const span = fc.record({
  traceId: id(16),
  spanId: id(8),
  parentSpanId: fc.oneof(fc.constant(''), id(8)),
  traceState: text,
  flags: fc.integer({ min: 0, max: 0xffff_ffff }),
  name: text,
  kind: fc.integer({ min: 0, max: 5 }),
  startTimeUnixNano: uint64,
  endTimeUnixNano: uint64,
  attributes,
  status: fc.record({ code: fc.constantFrom(0, 1, 2), message: text }),
  events: fc.array(fc.record({ timeUnixNano: uint64, name: text, attributes }), { maxLength: 2 }),
  links: fc.array(fc.record({ traceId: id(16), spanId: id(8), traceState: text, attributes }), {
    maxLength: 2,
  }),
})
const request = fc.record({
  resourceSpans: fc.array(
    fc.record({
      resource: fc.record({ attributes }),
      scopeSpans: fc.array(
        fc.record({
          scope: fc.record({ name: text, version: text }),
          spans: fc.array(span, { maxLength: 3 }),
        }),
        { maxLength: 2 },
      ),
      schemaUrl: text,
    }),
    { minLength: 1, maxLength: 3 },
  ),
})

test('protobuf reads as the same request does in JSON', async () => {
  await fc.assert(
    fc.asyncProperty(request, async (json) => {
      const fromProtobuf = await readSpans(encodeRequest(json))
      const fromJson = await readSpans(JSON.stringify(json))
      expect(fromProtobuf.problems).toEqual([])
      expect(fromJson.problems).toEqual([])
      expect(comparable(fromProtobuf)).toEqual(comparable(fromJson))
    }),
    { numRuns: 300 },
  )
})

/** -0 and 0 are the same number to JSON. */
function comparable({ spans }: Awaited<ReturnType<typeof readSpans>>) {
  return spans.map(({ span: read, resource, scope }) =>
    JSON.stringify([read, resource, scope], (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    ),
  )
}

test('a flipped byte is read or reported, never thrown', async () => {
  const bytes = encodeRequest(
    fc.sample(request, { numRuns: 20, seed: 1 }).find((json) => JSON.stringify(json).length > 3000)!,
  )
  for (let at = 0; at < bytes.length; at += 3) {
    const broken = Buffer.from(bytes)
    broken[at]! ^= 1 << (at % 8)
    await readSpans(broken)
  }
})

test('spans without ids are left out, with their position', async () => {
  const spans: Partial<FileSpan>[] = [
    { traceId: '00', spanId: '0000000000000001' },
    { traceId: '01'.repeat(16) },
  ]
  const { problems } = await readSpans(encodeRequest({ resourceSpans: [{ scopeSpans: [{ spans }] }] }))
  expect(problems).toEqual([
    'byte 5: expected a trace_id of 16 bytes that is not zero; the span is left out',
    'byte 20: expected a span_id of 8 bytes that is not zero; the span is left out',
  ])
})
