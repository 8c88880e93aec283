import { expect, test } from 'vitest'
import type { FileSpan } from '../../src/formats/file-span.ts'
import { createSpanTable } from '../../src/formats/span-table.ts'
import { createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'

const span = (attributes: FileSpan['attributes']): FileSpan => ({
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  parentSpanId: '',
  name: 'get',
  kind: 'SERVER',
  startNs: 1n,
  endNs: 2n,
  status: 0,
  attributes,
  weight: 0,
})
const SCOPE = { name: '', version: '' }

function tieTexts(keptSpans: number, ...spans: [attributes: object, resource: object][]): string[] {
  const columns = createColumns(createDictionary())
  const table = createSpanTable(columns, keptSpans)
  for (const [attributes, resource] of spans) {
    table.add(span({ ...attributes }), { attributes: { ...resource } }, SCOPE)
  }
  return spans.map((_, row) => columns.tieText!(row))
}

test('the last tie-break: attributes, then resource, as JSON with sorted keys at every depth', () => {
  expect(
    tieTexts(10, [
      { b: 1, a: [{ d: true, c: 'x' }] },
      { z: null, 'service.name': 's' },
    ]),
  ).toEqual(['{"a":[{"c":"x","d":true}],"b":1}{"service.name":"s","z":null}'])
})

test('with more spans than attributes are kept for, what the analysis looks at decides, for all of them', () => {
  const first: [object, object] = [{ 'http.route': '/b', other: 1 }, {}]
  const second: [object, object] = [{ 'http.route': '/a', other: 2 }, {}]
  const [b, a] = tieTexts(1, first, second)
  expect(a! < b!).toBe(true)
  expect(tieTexts(1, second, first)).toEqual([a, b])
  expect(`${a}${b}`).not.toContain('other')
})

test('rows whose resource never comes are forgotten when the file breaks off', () => {
  const columns = createColumns(createDictionary())
  const table = createSpanTable(columns)
  table.add(span({}), { attributes: {} }, SCOPE)
  table.add(span({}), { attributes: undefined }, SCOPE)
  expect(table.unsettled()).toBe(1)
  expect(table.abandon()).toBe(1)
  expect([columns.count, table.unsettled()]).toEqual([1, 0])
})
