import { describe, expect, it } from 'vitest'
import { linkTrace } from '../../src/analysis/assemble.ts'
import { createColumns, type SpanColumns } from '../../src/trace/columns.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { CYCLE, ORPHAN } from '../../src/trace/repair.ts'
import { createRepairLog } from '../../src/trace/repair-log.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { createTree } from '../../src/trace/tree.ts'
import { seeded } from '../bench/random.ts'
import { putSpan } from '../bench/span-writer.ts'

/** More than are taken span by span, and not dealt out at once by their ids where they begin and end together. */
const COUNT = 25_000

/** Every span below one of lower number or, now and then, none or one that is missing; times do not go by that. */
function randomTrace(seed: number, starts: number): { columns: SpanColumns; parentOf: number[] } {
  const random = seeded(seed)
  const pick = (of: number) => Math.floor(random() * of)
  const dictionary = createDictionary()
  const shapes = ['SERVER', 'CLIENT', 'INTERNAL'].map((kind, i) =>
    dictionary.shape(shapeKeyOf(shapeFieldsFrom(kind, 'work', { 'service.name': `s${i}` }, {}))),
  )
  const columns = createColumns(dictionary, COUNT)
  const parentOf: number[] = []
  for (let i = 0; i < COUNT; i++) {
    const parent = i === 0 || random() < 0.01 ? -1 : random() < 0.01 ? COUNT + pick(5) : pick(i)
    parentOf.push(parent)
    const startNs = pick(starts) * 1000
    putSpan(
      columns,
      { high: 1, trace: 1 },
      i,
      parent,
      startNs,
      startNs + pick(2) * pick(9),
      random() < 0.1,
      shapes[pick(3)]!,
    )
  }
  return { columns, parentOf }
}

function linked(columns: SpanColumns) {
  const tree = createTree(columns)
  const log = createRepairLog()
  const rows = Uint32Array.from({ length: COUNT }, (_, i) => i)
  const roots = linkTrace(tree, rows, 0, COUNT, log)
  const repairs = Array.from({ length: log.count }, (_, i) => `${log.kind[i]} ${log.span[i]}`)
  return { tree, rows, roots, repairs }
}

describe('traces that are long', () => {
  it.each([
    [1, 3],
    [2, 300],
    [3, 1e6],
  ])('are in span order, and below their parents, as short ones are: seed %i, %i starts', (seed, starts) => {
    const { columns, parentOf } = randomTrace(seed, starts)
    const { tree, rows, roots, repairs } = linked(columns)
    const exact = (words: Uint32Array, row: number) =>
      (BigInt(words[2 * row + 1]!) << 32n) + BigInt(words[2 * row]!)
    const slow = Array.from({ length: COUNT }, (_, row) => row).sort((a, b) => {
      const byStart = exact(columns.start, a) - exact(columns.start, b)
      const byEnd = exact(columns.end, b) - exact(columns.end, a)
      return Number(byStart || byEnd || exact(columns.spanId, a) - exact(columns.spanId, b))
    })
    expect([...tree.row.subarray(0, COUNT)]).toEqual(slow)
    expect([...rows]).toEqual(slow)

    const origin = exact(columns.start, slow[0]!)
    const indexOf: number[] = []
    slow.forEach((row, i) => {
      indexOf[row] = i
    })
    const children = Array.from({ length: COUNT }, (): number[] => [])
    const withoutParent: number[] = []
    slow.forEach((row, i) => {
      const its = [
        tree.id[2 * i],
        tree.id[2 * i + 1],
        tree.shape[i],
        tree.start[i],
        tree.end[i],
        tree.failed[i],
      ]
      const times = [columns.start, columns.end].map((words) => Number(exact(words, row) - origin))
      const failed = columns.status[row] === 2 ? 1 : 0
      const id = [columns.spanId[2 * row], columns.spanId[2 * row + 1]]
      expect(its).toEqual([...id, columns.shape[row], ...times, failed])
      const parent = indexOf[parentOf[row]!] ?? -1
      expect(tree.parent[i]).toBe(parent)
      if (parent < 0) withoutParent.push(i)
      else children[parent]!.push(i)
    })
    expect(roots).toEqual(withoutParent)
    expect([...tree.child.subarray(0, tree.firstChild[COUNT])]).toEqual(children.flat())
    const missing = slow.filter((row) => parentOf[row]! >= COUNT)
    expect(repairs).toEqual(missing.map((row) => `${ORPHAN} ${row}`))
  })

  it('have their cycles cut', () => {
    const { columns, parentOf } = randomTrace(4, 300)
    let last = COUNT - 1
    while (parentOf[last]! < 1 || parentOf[last]! >= COUNT) last--
    const cycle = [last]
    while (parentOf[cycle[0]!]! > 0 && parentOf[cycle[0]!]! < COUNT) cycle.unshift(parentOf[cycle[0]!]!)
    for (const word of [0, 1]) columns.parentId[2 * cycle[0]! + word] = columns.spanId[2 * last + word]!
    const { tree, roots, repairs } = linked(columns)
    const first = Math.min(...cycle.map((row) => tree.row.indexOf(row)))
    expect(roots).toContain(first)
    expect(repairs.at(-1)).toBe(`${CYCLE} ${tree.row[first]}`)
    expect(repairs.filter((repair) => repair.startsWith(`${CYCLE} `))).toHaveLength(1)
  })
})
