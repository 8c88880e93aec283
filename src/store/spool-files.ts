import { randomUUID } from 'node:crypto'
import { closeSync, constants, ftruncateSync, openSync, rmSync, writevSync } from 'node:fs'
import { join } from 'node:path'

/** Data in a file of a directory that the store looks into. */
export type SpoolFile = { directory: string; name: string; bytes: number }

export type SpoolFiles = {
  /** All of it, at once: each step of a stream would wait for a turn of the event loop. @throws Error, e.g. ENOSPC */
  write(directory: string, parts: readonly Uint8Array[]): SpoolFile
  /** `isRead`: nobody reads it any more, the next data may go into it. */
  release(file: SpoolFile, isRead: boolean): void
  close(): void
}

/** So many files are kept, of so many bytes at the most. */
const KEPT = 2
const KEPT_BYTES = 64 * 2 ** 20
/** Whether it is there or not; what is in it stays where nothing is written. */
const WRITE = constants.O_WRONLY | constants.O_CREAT
/** What the system takes at a time. */
const MAX_PARTS = 1024

/** Files that are written again: a new one's memory is found, emptied and given back, which costs more than writing it. */
export function createSpoolFiles(): SpoolFiles {
  let kept: SpoolFile[] = []

  return {
    write(directory, parts) {
      const file = take(directory) ?? { directory, name: randomUUID(), bytes: 0 }
      try {
        fill(file, parts)
        return file
      } catch (error) {
        remove(file)
        throw error
      }
    },
    release(file, isRead) {
      if (isRead && kept.length < KEPT && file.bytes <= KEPT_BYTES) kept.push(file)
      else remove(file)
    },
    close() {
      for (const file of kept) remove(file)
      kept = []
    },
  }

  /** One that lies elsewhere is an engine's that has ended. The longest unused comes first: none stays as large as it once was. */
  function take(directory: string): SpoolFile | undefined {
    const elsewhere = kept.filter((file) => file.directory !== directory)
    for (const file of elsewhere) remove(file)
    if (elsewhere.length > 0) kept = kept.filter((file) => file.directory === directory)
    return kept.shift()
  }
}

function fill(file: SpoolFile, parts: readonly Uint8Array[]): void {
  const descriptor = openSync(pathOf(file), WRITE, 0o600)
  try {
    let at = 0
    for (let first = 0; first < parts.length; first += MAX_PARTS) {
      at = writeAll(descriptor, parts.slice(first, first + MAX_PARTS), at)
    }
    if (file.bytes > at) ftruncateSync(descriptor, at)
    file.bytes = at
  } finally {
    closeSync(descriptor)
  }
}

/** Returns where it ends. The system may take less than it is given. */
function writeAll(descriptor: number, parts: Uint8Array[], at: number): number {
  while (parts.length > 0) {
    let taken = writevSync(descriptor, parts, at)
    if (taken === 0) throw new Error('nothing more can be written to the file')
    at += taken
    while (parts.length > 0 && taken >= parts[0]!.length) taken -= parts.shift()!.length
    if (taken > 0) parts[0] = parts[0]!.subarray(taken)
  }
  return at
}

function remove(file: SpoolFile): void {
  rmSync(pathOf(file), { force: true })
}

function pathOf({ directory, name }: SpoolFile): string {
  return join(directory, name)
}
