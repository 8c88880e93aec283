import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { watchFullDisk } from '../../src/engine/full-disk.ts'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { findUnwritten, removeUnwritten } from '../../src/engine/unwritten-parts.ts'
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

describe('a full disk', () => {
  it('is told once there is room again', () => {
    vi.useFakeTimers()
    let free = 70e6
    const onRoom = vi.fn()
    const stop = watchFullDisk('anywhere', onRoom, () => free)
    const passes = (bytes: number) => {
      free = bytes
      vi.advanceTimersByTime(1000)
      return onRoom.mock.calls.length
    }
    expect([70e6, 5e6, 0, 5e6, Number.NaN, 70e6, 70e6, 0].map(passes)).toEqual([0, 0, 0, 0, 0, 1, 1, 1])
    stop()
    expect(passes(70e6)).toBe(1)
    vi.useRealTimers()
  })
})
