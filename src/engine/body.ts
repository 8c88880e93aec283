import { randomUUID } from 'node:crypto'
import { createWriteStream, existsSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createInflate } from 'node:zlib'
import { RefusedStatement } from './refused.ts'

/** A statement's text; the data of an INSERT may be longer. */
const TEXT_BYTES = 16 * 2 ** 20
const DATA_BYTES = 2 ** 30

/** Memory rather than disk, where there is enough (containers have 64 MiB unless told otherwise). */
const SPOOL = freeBytes('/dev/shm') > 2 ** 28 ? '/dev/shm' : tmpdir()
/** `longpole-insert-PID-UUID`. */
const SPOOLED = /^longpole-insert-(\d+)-/

function freeBytes(directory: string): number {
  if (!existsSync(directory)) return 0
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** Removes what engines that were killed have left in memory. */
export function sweepSpool(): void {
  for (const name of readdirSync(SPOOL)) {
    const pid = SPOOLED.exec(name)?.[1]
    if (pid === undefined) continue
    try {
      process.kill(Number(pid), 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') rmSync(join(SPOOL, name), { force: true })
    }
  }
}

function decoded(request: IncomingMessage): Readable {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return request
  if (encoding === 'gzip') return request.pipe(createGunzip())
  if (encoding === 'deflate') return request.pipe(createInflate())
  throw new RefusedStatement(`Content-Encoding ${encoding} is not known here`, 48, 'NOT_IMPLEMENTED')
}

function capped(bytes: number): Transform {
  let seen = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length
      if (seen > bytes)
        done(new RefusedStatement(`the body is longer than ${bytes} bytes`, 307, 'TOO_MANY_BYTES'))
      else done(null, chunk)
    },
  })
}

/** The whole body. @throws RefusedStatement when it is too long */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  await pipeline(decoded(request), capped(TEXT_BYTES), async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) chunks.push(chunk)
  })
  return Buffer.concat(chunks)
}

export type SpooledBody = { path: string; bytes: number; remove(): Promise<void> }

/** Writes `first`, then the body, to a file that only this user can read. */
export async function spoolBody(first: Buffer, request: IncomingMessage | undefined): Promise<SpooledBody> {
  const path = join(SPOOL, `longpole-insert-${process.pid}-${randomUUID()}`)
  const remove = () => rm(path, { force: true })
  const file = createWriteStream(path, { mode: 0o600, flags: 'wx', highWaterMark: 2 ** 20 })
  try {
    if (first.length > 0) file.write(first)
    if (request === undefined)
      await new Promise<void>((resolve, reject) =>
        file.end((e?: Error | null) => (e ? reject(e) : resolve())),
      )
    else await pipeline(decoded(request), capped(DATA_BYTES), file)
    return { path, bytes: (await stat(path)).size, remove }
  } catch (error) {
    await remove()
    throw error
  }
}
