import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { loadSpans } from '../../src/trace/load.ts'
import { createRepairLog } from '../../src/trace/repair-log.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { sortByWhole } from '../../src/trace/sort.ts'
import { createTree, growTree } from '../../src/trace/tree.ts'
import { seeded } from '../bench/random.ts'
import { putSpan } from '../bench/span-writer.ts'

const seeds = { seed: 20261126, numRuns: 200 }
/** Around the lengths at which the way of sorting changes, and well beyond. */
const lengths = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.constantFrom(127, 128, 255, 256, 1023, 1024, 3000),
)

describe('sorting by whole numbers', () => {
  it('is a stable sort, whatever lies between the keys, and touches nothing else', () => {
    const distances = fc.constantFrom(1, 2, 200, 2 ** 11, 2 ** 22 + 1, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 53)
    fc.assert(
      fc.property(lengths, distances, fc.integer(), fc.boolean(), (length, distance, seed, below) => {
        const random = seeded(seed)
        const least = below ? -distance + 1 : 0
        const keys = Float64Array.from({ length }, () => least + Math.floor(random() * distance))
        const from = length % 7
        const items = new Int32Array(length + from + 3).fill(-1)
        for (let i = 0; i < length; i++) items[from + i] = i
        const sorted = [...items.subarray(from, from + length)].sort((a, b) => keys[a]! - keys[b]!)
        sortByWhole(items, from, from + length, new Int32Array(length), keys)
        expect([...items]).toEqual([...Array(from).fill(-1), ...sorted, -1, -1, -1])
      }),
      seeds,
    )
  })
})

describe('span order', () => {
  it('is by start, the longest first, then id, then kind, however many spans have the same', () => {
    const distinct = fc.constantFrom(1, 2, 30, 1_000, 1e9, 1e12)
    const counts = fc.record({ starts: distinct, ends: distinct, ids: distinct })
    const emptyShare = fc.constantFrom(0, 0.1, 0.9, 1)
    fc.assert(
      fc.property(lengths, counts, emptyShare, fc.integer(), (count, { starts, ends, ids }, empty, seed) => {
        const random = seeded(seed)
        const dictionary = createDictionary()
        const shapes = ['SERVER', 'CLIENT', 'INTERNAL'].map((kind) =>
          dictionary.shape(shapeKeyOf(shapeFieldsFrom(kind, 'work', { 'service.name': 'a' }, {}))),
        )
        const columns = createColumns(dictionary, count)
        const pick = (of: number) => Math.floor(random() * of)
        for (let i = 0; i < count; i++) {
          const startNs = pick(starts)
          const endNs = random() < empty ? startNs : 1e12 + pick(ends)
          putSpan(columns, { high: 1, trace: 1 }, i, -1, startNs, endNs, false, shapes[pick(3)]!)
          columns.spanId[2 * i] = pick(Math.min(ids, 2 ** 32))
          columns.spanId[2 * i + 1] = pick(Math.min(ids, 3))
        }
        const tree = createTree(columns)
        growTree(tree, count)
        loadSpans(
          tree,
          Uint32Array.from({ length: count }, (_, i) => i),
          0,
          count,
          createRepairLog(),
        )

        const kindOf = (row: number) => dictionary.shapeKind[columns.shape[row]!]!
        const exact = (words: Uint32Array, row: number) =>
          (BigInt(words[2 * row + 1]!) << 32n) + BigInt(words[2 * row]!)
        const slow = Array.from({ length: count }, (_, row) => row).sort((a, b) => {
          const byStart = exact(columns.start, a) - exact(columns.start, b)
          const byEnd = exact(columns.end, b) - exact(columns.end, a)
          const byId = exact(columns.spanId, a) - exact(columns.spanId, b)
          const first = byStart || byEnd || byId
          return first === 0n ? kindOf(a) - kindOf(b) : first < 0n ? -1 : 1
        })
        expect([...tree.row.subarray(0, count)]).toEqual(slow)
      }),
      seeds,
    )
  })
})
