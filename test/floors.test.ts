import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'

/** Folder (or file) under src/ by floor; imports go down, and never sideways between edges. */
const FLOORS: Record<string, number> = {
  'main.ts': 5,
  'config.ts': 5,
  'log.ts': 5,
  commands: 5,
  analyzer: 4,
  api: 4,
  demo: 4,
  receiver: 3,
  store: 3,
  engine: 3,
  formats: 3,
  analysis: 2,
  findings: 2,
  trace: 1,
  'thread.ts': 1,
  'tls.ts': 1,
  'turn.ts': 1,
  'close-server.ts': 1,
}

const SRC = join(import.meta.dirname, '..', 'src')
const IMPORT = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g

function roomOf(file: string): string {
  return relative(SRC, file).split('/')[0]!
}

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map((m) => join(dirname(file), m[1]!))
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('web'))
  .map((name) => join(SRC, name))

it('every folder under src/ has a floor', () => {
  expect([...new Set(files.map(roomOf))].filter((room) => FLOORS[room] === undefined)).toEqual([])
})

it('imports go down', () => {
  const wrong: string[] = []
  for (const file of files) {
    for (const imported of importsOf(file)) {
      const from = roomOf(file)
      const to = roomOf(imported)
      // On floor 2 findings build on analysis; within the wiring floor commands share what they need.
      const allowed =
        from === to ||
        FLOORS[to]! < FLOORS[from]! ||
        (FLOORS[from] === 5 && FLOORS[to] === 5) ||
        (from === 'findings' && to === 'analysis')
      if (!allowed) wrong.push(`${relative(SRC, file)} imports ${relative(SRC, imported)}`)
    }
  }
  expect(wrong).toEqual([])
})

it('trace/ imports nothing else', () => {
  const outside = files
    .filter((file) => roomOf(file) === 'trace')
    .flatMap((file) => readFileSync(file, 'utf8').match(/from '(?!\.\/)[^']+'/g) ?? [])
  expect(outside).toEqual([])
})

it('Node reads the sources by itself: it takes `of of` for a list without variables', () => {
  const odd = files.filter((file) => /for (await )?\((const|let) of of\b/.test(readFileSync(file, 'utf8')))
  expect(odd.map((file) => relative(SRC, file))).toEqual([])
})
