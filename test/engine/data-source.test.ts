import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { quiet } from '../support/store.ts'

const dataDir = mkdtempSync(join(tmpdir(), 'longpole-engine-'))
let engine: Engine
beforeAll(async () => {
  engine = await startEngine({ dataDir, host: '127.0.0.1', port: 0, log: quiet })
})
afterAll(async () => {
  await engine?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

// What clickhouse-go 2.51 sends over HTTP, as Grafana's data source sets it up.
describe('the data source', () => {
  const ask = (sql: string, revision: number) =>
    fetch(`${engine.url}/?client_protocol_version=${revision}&database=system&default_format=Native`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa('reader:')}`, 'Accept-Encoding': 'gzip' },
      body: sql,
    })

  it.each([0, 54_453, 54_483])(
    'is answered its first question in the protocol it speaks: %d',
    async (revision) => {
      const answer = await ask('SELECT displayName(), version(), revision(), timezone()', revision)
      expect(answer.status).toBe(200)
      const bytes = Buffer.from(await answer.arrayBuffer())
      let at = 0
      const take = (length: number) => bytes.subarray(at, (at += length))
      const text = () => take(take(1)[0]!).toString()
      // Block info, then columns and rows, then a flag a column (none of them has a serialization of its own).
      if (revision > 0) expect([...take(8)]).toEqual([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0])
      expect([...take(2)]).toEqual([4, 1])
      const columns = [0, 1, 2, 3].map((column) => {
        const name = text()
        const type = text()
        if (revision >= 54_454) expect([...take(1)]).toEqual([0])
        return [name, type, column === 2 ? take(4).readUInt32LE() : text()]
      })
      expect(at).toBe(bytes.length)
      expect(columns).toEqual([
        ['displayName()', 'String', 'longpole'],
        ['version()', 'String', expect.stringMatching(/^\d+\.\d+/)],
        // From here on it reads plain blocks.
        ['revision()', 'UInt32', 0],
        ['timezone()', 'String', 'UTC'],
      ])
    },
  )

  it('is answered in plain Native blocks afterwards', async () => {
    const answer = await ask('SELECT 1', 54_483)
    expect(Buffer.from(await answer.arrayBuffer()).toString('latin1')).toBe('\x01\x01\x011\x05UInt8\x01')
  })

  it('is refused what it could not read: blocks compressed in their own way', async () => {
    const answer = await fetch(`${engine.url}/?compress=1`, { method: 'POST', body: 'SELECT 1' })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toContain('Setting compress is neither known nor allowed here')
  })
})
