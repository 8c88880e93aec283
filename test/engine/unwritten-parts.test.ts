import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { findCut, findUnwritten, removeUnwritten } from '../../src/engine/unwritten-parts.ts'
import { quiet } from '../support/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'longpole-unwritten-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** A data directory with one table, of whose parts some have checksums of so many bytes. */
function tableWith(name: string, parts: Record<string, number>): string {
  const dataDir = join(directory, name)
  for (const [part, bytes] of Object.entries(parts)) {
    const path = join(dataDir, 'store', 'abc', 'abcdef', part)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'checksums.txt'), Buffer.alloc(bytes))
  }
  return dataDir
}

const namesOf = (paths: string[]) => paths.map((path) => path.split('/').at(-1))

describe('a part of which nothing was written', () => {
  it('is left out where all that it was merged from is there', () => {
    const dataDir = tableWith('merged', {
      all_1_1_0: 9,
      all_2_2_0: 9,
      all_3_3_0: 9,
      all_1_3_1: 0,
      all_4_4_0: 9,
    })
    expect(namesOf(findUnwritten(dataDir))).toEqual(['all_1_3_1'])
    expect(removeUnwritten(dataDir)).toBe(1)
    expect(readdirSync(join(dataDir, 'store', 'abc', 'abcdef')).sort()).toEqual([
      'all_1_1_0',
      'all_2_2_0',
      'all_3_3_0',
      'all_4_4_0',
    ])
  })

  it.each([
    ['an insert wrote it', { all_1_1_0: 0, all_2_2_0: 9 }],
    ['the first of what it was merged from is gone', { all_1_3_1: 0, all_2_2_0: 9, all_3_3_0: 9 }],
    ['the last is gone', { all_1_3_1: 0, all_1_1_0: 9, all_2_2_0: 9 }],
    ['that was not written either', { all_1_3_1: 0, all_1_1_0: 0, all_2_2_0: 9, all_3_3_0: 9 }],
    ['that is of another partition', { '1_1_2_1': 0, '2_1_1_0': 9, '2_2_2_0': 9 }],
    ['it was written', { all_1_2_1: 9, all_1_1_0: 9, all_2_2_0: 9 }],
    ['it is being written', { tmp_merge_all_1_2_1: 0, all_1_1_0: 9, all_2_2_0: 9 }],
  ])('is left to the engine where %s', (why, parts) => {
    expect(findUnwritten(tableWith(why, parts as Record<string, number>))).toEqual([])
  })

  it.each([
    ['inserts', ['all_5_5_0'], ['all_5_5_0']],
    ['inserts into a table that replaces rows', ['all_6_6_1'], ['all_6_6_1']],
    ['inserts of long ago', ['all_1_1_0'], []],
    ['merges', ['all_1_3_1'], ['all_1_3_1']],
    ['merges whose sources are', ['all_1_3_1', 'all_1_1_0'], []],
    ['merges of what is not there', ['all_7_9_2'], []],
    ['mutations', ['all_4_4_0_6'], ['all_4_4_0_6']],
    ['none', [], []],
  ])('lacks bytes: found among %s', (_, cut, expected) => {
    const parts = ['1_1_0', '2_2_0', '3_3_0', '1_3_1', '4_4_0', '4_4_0_6', '5_5_0', '6_6_1', '7_9_2'].map(
      (n) => `all_${n}`,
    )
    const dataDir = tableWith(`cut-${cut}`, Object.fromEntries(parts.map((name) => [name, 9])))
    const known = parts.map((name) => {
      const path = join(dataDir, 'store', 'abc', 'abcdef', name)
      writeFileSync(join(path, 'data.bin'), 'x'.repeat(cut.includes(name) ? 99 : 100))
      return { path, bytes: 100, isNew: name !== 'all_1_1_0' }
    })
    expect(namesOf(findCut(known))).toEqual(expected)
  })

  it('lacks bytes that are not counted as well', () => {
    const dataDir = tableWith('cut-checksums', { all_1_1_0: 0 })
    const path = join(dataDir, 'store', 'abc', 'abcdef', 'all_1_1_0/')
    expect(findCut([{ path, bytes: 0, isNew: true }])).toEqual([path])
  })

  it('is no reason to take a block for inserted that is sent again', () => {
    const dataDir = tableWith('tokens', { all_1_1_0: 9, all_1_3_1: 9, all_4_4_0: 0 })
    const log = join(dataDir, 'store', 'abc', 'abcdef', 'deduplication_logs', 'deduplication_log_1.txt')
    mkdirSync(dirname(log))
    const lines = [
      '1\tall_1_1_0\ta',
      '1\tall_2_2_0\tb',
      '1\tall_4_4_0\tc',
      '1\tall_5_5_0\td',
      '2\tall_5_5_0\td',
      '',
    ]
    writeFileSync(log, lines.join('\n'))
    removeUnwritten(dataDir)
    expect(readFileSync(log, 'utf8')).toBe('1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n2\tall_5_5_0\td\n')
  })

  it('costs no rows: the engine goes on with what it was merged from', async () => {
    const dataDir = join(directory, 'data')
    const warn = vi.fn()
    const start = () => startEngine({ dataDir, host: '127.0.0.1', port: 0, log: { ...quiet, warn } as never })
    const ask = async <Row>({ url }: Engine, query: string) => {
      const client = createClient({ url })
      try {
        return await (await client.query({ query, format: 'JSONEachRow' })).json<Row>()
      } finally {
        await client.close()
      }
    }
    const before = await start()
    for (const query of [
      'CREATE DATABASE spans',
      'CREATE TABLE spans.t (n UInt32) ENGINE = MergeTree ORDER BY n',
      'INSERT INTO spans.t SELECT number FROM numbers(10)',
      'INSERT INTO spans.t SELECT number + 10 FROM numbers(10)',
      'OPTIMIZE TABLE spans.t FINAL',
    ]) {
      const answer = await fetch(before.url, { method: 'POST', body: query })
      expect(await answer.text()).toBe('')
    }
    const active = "SELECT name, path FROM system.parts WHERE database = 'spans' AND active"
    const [merged] = await ask<{ name: string; path: string }>(before, active)
    expect(merged!.name).toBe('all_1_2_1')
    // Unless told otherwise it removes them at once.
    const lifetime = "SELECT value FROM system.merge_tree_settings WHERE name = 'old_parts_lifetime'"
    expect(await ask(before, lifetime)).toEqual([{ value: '60' }])
    await before.stop()
    for (const file of readdirSync(merged!.path)) truncateSync(join(merged!.path, file))
    const after = await start()
    try {
      expect(await ask(after, 'SELECT toUInt32(sum(n)) AS sum FROM spans.t')).toEqual([{ sum: 190 }])
      expect(await ask(after, 'SELECT name FROM system.detached_parts')).toEqual([])
      expect(warn).toHaveBeenCalledWith({ parts: 1 }, expect.stringContaining('what they were merged from'))
    } finally {
      await after.stop()
    }
  })
})
