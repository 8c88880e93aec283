import { mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary file that only its descriptor leads to: however the process ends, nothing of it stays. */
export function openNameless(): number {
  const directory = mkdtempSync(join(tmpdir(), 'longpole-'))
  try {
    return openSync(join(directory, 'run'), 'wx+', 0o600)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

export function writeFully(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
}

/** Fills `into` from `offset` on; how much there was, bytes. */
export function readFully(file: number, into: Uint8Array, offset: number): number {
  let length = 0
  for (let read = -1; read !== 0 && length < into.length; length += read) {
    read = readSync(file, into, length, into.length - length, offset + length)
  }
  return length
}
