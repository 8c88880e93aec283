import { afterAll, beforeAll, expect, it } from 'vitest'
import { readTables, toNumbers } from '../../src/store/native-table.ts'
import type { Store } from '../../src/store/store.ts'
import { openTestStore } from '../support/store.ts'

let store: Store

beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store?.close())

it('reads what the engine writes, empty arrays and several blocks included', async () => {
  const bytes = await store.queryNative(`
    SELECT toUInt8(number) AS a, toUInt16(number) AS b, toInt32(-number) AS c, number + 9007199254740000 AS d,
           number / 4 AS e, toString(number) AS f, toLowCardinality(toString(number % 3)) AS g,
           toDateTime(number, 'UTC') AS h, range(number % 4) AS i,
           arrayMap(x -> toLowCardinality(toString(x * 10)), range(number % 3)) AS j,
           CAST([], 'Array(LowCardinality(String))') AS k, arrayMap(x -> toUInt16(x), range(number % 2)) AS l,
           arrayMap(x -> concat('t', toString(x)), range(number % 2)) AS m
    FROM numbers(20) SETTINGS max_block_size = 7`)
  let n = 0
  for (const table of readTables(bytes)) {
    const list = (name: string, row: number): (string | number)[] => {
      const { values, texts, ends, words } = table.column(name)
      const from = row === 0 ? 0 : ends![row - 1]!
      return Array.from({ length: ends![row]! - from }, (_, i) =>
        words.length > 0
          ? words[2 * (from + i)]!
          : texts.length > 0
            ? texts[values[from + i]!]!
            : values[from + i]!,
      )
    }
    const range = (length: number) => Array.from({ length }, (_, i) => i)
    for (let row = 0; row < table.rows; row++, n++) {
      expect(table.column('a').values[row]).toBe(n)
      expect(table.column('b').values[row]).toBe(n)
      expect(table.column('c').values[row]).toBe(n === 0 ? 0 : -n)
      expect(toNumbers(table.column('d'))[row]).toBe(n + 9007199254740000)
      expect(table.column('e').values[row]).toBe(n / 4)
      expect(table.column('f').texts[table.column('f').values[row]!]).toBe(String(n))
      expect(table.column('g').texts[table.column('g').values[row]!]).toBe(String(n % 3))
      expect(table.column('h').values[row]).toBe(n)
      expect(list('i', row)).toEqual(range(n % 4))
      expect(list('j', row)).toEqual(range(n % 3).map((x) => String(x * 10)))
      expect(list('k', row)).toEqual([])
      expect(list('l', row)).toEqual(range(n % 2))
      expect(list('m', row)).toEqual(range(n % 2).map((x) => `t${x}`))
    }
  }
  expect(n).toBe(20)
})

it('an answer that ends early is an error', async () => {
  const bytes = await store.queryNative('SELECT number FROM numbers(10)')
  expect(() => [...readTables(bytes.subarray(0, bytes.length - 3))]).toThrow(RangeError)
})
