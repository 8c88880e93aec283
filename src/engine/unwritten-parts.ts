import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** A directory of a part: partition, first and last block, how often it was merged, and by which mutation changed. */
const PART = /^([^_]+)_(\d+)_(\d+)_(\d+)(?:_(\d+))?$/
const CHECKSUMS = 'checksums.txt'
/** Files of a part that its size does not count. None is empty. */
const UNCOUNTED = new Set([
  CHECKSUMS,
  'columns.txt',
  'columns_substreams.txt',
  'default_compression_codec.txt',
  'metadata_version.txt',
])
/** `1\t20261127_5_5_0\t...`: the block that became this part is not inserted again. */
const INSERTED = /^1\t([^\t]+)\t/

type Blocks = { partition: string; first: number; last: number; level: number; mutation: number }
type Part = Blocks & { name: string; isWritten: boolean }

/**
 * Parts that took the place of those they were merged from although nothing could be written of them. What they were merged
 * from stays for a minute (config.xml); where it is there no more they are left to the engine, which sets them aside. Paths.
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
  for (const table of tablesOf(dataDir)) forgetMissing(table)
  return found.length
}

/** A part as the engine has it in memory. `isNew`: of the last minutes. */
export type KnownPart = { path: string; bytes: number; isNew: boolean }

/**
 * Once writes have failed: parts that lack bytes, and are to be removed when the engine ends. What has just been inserted was not
 * acknowledged, since writes had failed by then; of what was merged, what it was merged from has to be there. Paths.
 */
export function findCut(known: readonly KnownPart[]): string[] {
  const byTable = new Map<string, (Part & KnownPart)[]>()
  for (const part of known) {
    const name = basename(part.path)
    const blocks = blocksOf(name)
    if (blocks === undefined) continue
    const table = dirname(part.path)
    const parts = byTable.get(table) ?? []
    parts.push({ ...part, ...blocks, name, isWritten: !lacksBytes(part) })
    byTable.set(table, parts)
  }
  return [...byTable.values()].flatMap((parts) =>
    parts
      .filter((part) => !part.isWritten && ((isInserted(part) && part.isNew) || isMergedFrom(part, parts)))
      .map(({ path }) => path),
  )
}

/** Tables that replace rows do so within what is inserted, whose part then is of level 1. */
const isInserted = ({ first, last, level, mutation }: Blocks) =>
  first === last && level <= 1 && mutation === 0

/** The first and the last block are looked for: what was merged is removed after its time one part after the other. */
function isMergedFrom(merged: Part, parts: readonly Part[]): boolean {
  const sources = parts.filter(
    ({ isWritten, partition, first, last, level, mutation }) =>
      isWritten &&
      partition === merged.partition &&
      first >= merged.first &&
      last <= merged.last &&
      (level < merged.level || (level === merged.level && mutation < merged.mutation)),
  )
  return (
    sources.some(({ first }) => first === merged.first) && sources.some(({ last }) => last === merged.last)
  )
}

/**
 * A block whose part is not there would be taken for inserted when it is sent again, and be lost: its part was removed, or the
 * engine was killed before it had put the part in its place.
 */
function forgetMissing(table: string): void {
  const logs = join(table, 'deduplication_logs')
  const names = namesIn(logs)
  if (names.length === 0) return
  const parts = partsOf(table).filter(({ isWritten }) => isWritten)
  const isThere = (name: string) => {
    const blocks = blocksOf(name)
    return (
      blocks === undefined ||
      parts.some(
        ({ partition, first, last }) =>
          partition === blocks.partition && first <= blocks.first && last >= blocks.last,
      )
    )
  }
  for (const name of names) {
    const path = join(logs, name)
    const lines = readFileSync(path, 'utf8').split('\n')
    const kept = lines.filter((line) => isThere(INSERTED.exec(line)?.[1] ?? ''))
    if (kept.length === lines.length) continue
    // Not within `logs`, of which the engine reads all files.
    const written = join(table, 'tmp_deduplication_log')
    writeFileSync(written, kept.join('\n'))
    renameSync(written, path)
  }
}

function blocksOf(name: string): Blocks | undefined {
  const [, partition, first, last, level, mutation] = PART.exec(name) ?? []
  if (partition === undefined) return undefined
  return {
    partition,
    first: Number(first),
    last: Number(last),
    level: Number(level),
    mutation: Number(mutation ?? 0),
  }
}

function partsOf(table: string): Part[] {
  return namesIn(table).flatMap((name) => {
    const blocks = blocksOf(name)
    const bytes = blocks === undefined ? undefined : sizeOf(join(table, name, CHECKSUMS))
    return blocks === undefined || bytes === undefined ? [] : [{ ...blocks, name, isWritten: bytes > 0 }]
  })
}

function lacksBytes({ path, bytes }: KnownPart): boolean {
  let counted = 0
  for (const name of namesIn(path)) {
    const size = sizeOf(join(path, name)) ?? 0
    if (!UNCOUNTED.has(name)) counted += size
    else if (size === 0) return true
  }
  return counted < bytes
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
