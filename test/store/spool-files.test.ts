import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createSpoolFiles, type SpoolFile } from '../../src/store/spool-files.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'longpole-spool-'))
})

afterEach(() => rmSync(directory, { recursive: true }))

const parts = (...texts: string[]) => texts.map((text) => Buffer.from(text))
const textOf = ({ directory, name }: SpoolFile) => readFileSync(join(directory, name), 'latin1')

it('a file that was read has the next data and nothing else, be it shorter or longer', () => {
  const files = createSpoolFiles()
  const names = new Set<string>()
  for (const texts of [['some', ' ', 'data'], ['less'], [], ['more than', ' there has ', 'ever been']]) {
    const file = files.write(directory, parts(...texts))
    expect(textOf(file)).toBe(texts.join(''))
    names.add(file.name)
    files.release(file, true)
  }
  expect(readdirSync(directory)).toEqual([...names])
  expect(statSync(join(directory, [...names][0]!)).mode & 0o777).toBe(0o600)
  files.close()
  expect(readdirSync(directory)).toEqual([])
})

it('one that somebody may still be reading is not written again', () => {
  const files = createSpoolFiles()
  const first = files.write(directory, parts('first'))
  const second = files.write(directory, parts('second'))
  expect([textOf(first), textOf(second)]).toEqual(['first', 'second'])
  files.release(first, false)
  expect(readdirSync(directory)).toEqual([second.name])
  expect(files.write(directory, parts('third')).name).not.toBe(second.name)
})

it('keeps two', () => {
  const files = createSpoolFiles()
  const written = ['a', 'b', 'c'].map((text) => files.write(directory, parts(text)))
  for (const file of written) files.release(file, true)
  expect(readdirSync(directory).sort()).toEqual([written[0]!.name, written[1]!.name].sort())
})

it('goes where the store looks now, and leaves nothing where it looked before', () => {
  const files = createSpoolFiles()
  files.release(files.write(directory, parts('before')), true)
  const other = mkdtempSync(join(tmpdir(), 'longpole-spool-'))
  const file = files.write(other, parts('now'))
  expect(textOf(file)).toBe('now')
  expect(readdirSync(directory)).toEqual([])
  rmSync(other, { recursive: true })
  files.release(file, true)
  expect(() => files.write(other, parts('gone'))).toThrow('ENOENT')
  expect(textOf(files.write(directory, parts('here')))).toBe('here')
})

it('more parts than the system takes at a time', () => {
  const files = createSpoolFiles()
  const many = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`))
  expect(textOf(files.write(directory, many))).toBe(Buffer.concat(many).toString('latin1'))
})
