import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A directory of a part: partition, first and last block, how often it was merged (and mutated). */
const PART = /^([^_]+)_(\d+)_(\d+)_(\d+)(?:_\d+)?$/
const CHECKSUMS = 'checksums.txt'

type Part = {
  name: string
  partition: string
  first: number
  last: number
  level: number
  isWritten: boolean
}

/**
 * Parts that took the place of those they were merged from although nothing could be written of them: while the disk is full the
 * engine (26.7) does not notice that a background thread's writes fail. What they were merged from stays for eight minutes
 * (`old_parts_lifetime`); where it is there no more they are left to the engine, which sets them aside. Paths.
 */
export function findUnwritten(dataDir: string): string[] {
  return tablesOf(dataDir).flatMap((table) => {
    const parts = partsOf(table)
    return parts
      .filter((part) => !part.isWritten && isMergedFrom(part, parts))
      .map(({ name }) => join(table, name))
  })
}

/** Before the engine opens the directory: it then goes on with what they were merged from. Returns how many there were. */
export function removeUnwritten(dataDir: string): number {
  const found = findUnwritten(dataDir)
  for (const path of found) rmSync(path, { recursive: true })
  return found.length
}

/** The first and the last block are looked for: what was merged is removed after its time one part after the other. */
function isMergedFrom(merged: Part, parts: readonly Part[]): boolean {
  const sources = parts.filter(
    ({ isWritten, partition, first, last, level }) =>
      isWritten &&
      partition === merged.partition &&
      first >= merged.first &&
      last <= merged.last &&
      level < merged.level,
  )
  return (
    sources.some(({ first }) => first === merged.first) && sources.some(({ last }) => last === merged.last)
  )
}

function partsOf(table: string): Part[] {
  return namesIn(table).flatMap((name) => {
    const [, partition, first, last, level] = PART.exec(name) ?? []
    if (partition === undefined) return []
    const bytes = sizeOf(join(table, name, CHECKSUMS))
    if (bytes === undefined) return []
    const blocks = { first: Number(first), last: Number(last), level: Number(level) }
    return [{ name, partition, ...blocks, isWritten: bytes > 0 }]
  })
}

/** `store/abc/abcdef01-...`: directories of tables. */
function tablesOf(dataDir: string): string[] {
  const store = join(dataDir, 'store')
  return namesIn(store).flatMap((prefix) => namesIn(join(store, prefix)).map((id) => join(store, prefix, id)))
}

/** None where there is no such directory. */
function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Undefined where there is no such file: parts come and go while the engine runs. */
function sizeOf(path: string): number | undefined {
  try {
    return statSync(path).size
  } catch {
    return undefined
  }
}
