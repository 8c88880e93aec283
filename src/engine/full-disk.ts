import { statfsSync } from 'node:fs'

const CHECK_MS = 250
/** The engine begins nothing with less. */
const FULL_BYTES = 1024 * 1024
/** What the service asks for before it takes spans. */
const ROOM_BYTES = 64 * 1024 * 1024

/** Calls `onRoom` once there is room again on a disk that was full. Returns how to stop looking. */
export function watchFullDisk(dataDir: string, onRoom: () => void, freeBytes = bytesFree): () => void {
  let wasFull = false
  const timer = setInterval(() => {
    const free = freeBytes(dataDir)
    if (free < FULL_BYTES) wasFull = true
    if (!wasFull || !(free >= ROOM_BYTES)) return
    wasFull = false
    onRoom()
  }, CHECK_MS).unref()
  return () => clearInterval(timer)
}

/** NaN where that cannot be told. */
function bytesFree(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize
  } catch {
    return Number.NaN
  }
}
