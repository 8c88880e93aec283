import { statfsSync } from 'node:fs'

/** What the engine is started with at least: what it writes then must not be cut. It refuses inserts below 64 MiB (config.xml). */
const START_BYTES = 16 * 1024 * 1024

/** Why the engine cannot be started; undefined: there is room, or that cannot be told. */
export function fullDisk(dataDir: string): string | undefined {
  const free = bytesFree(dataDir)
  if (!(free < START_BYTES)) return undefined
  return `the disk is full: ${(free / 2 ** 20).toFixed(2)} MiB left at ${dataDir}`
}

/** NaN where that cannot be told, as of a directory that is not there yet. */
function bytesFree(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return Number.NaN
  }
}
