import { randomUUID } from 'node:crypto'
import { createWriteStream, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { lstat, rm, stat } from 'node:fs/promises'
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
const MEMORY = freeBytes('/dev/shm') > 2 ** 28 ? '/dev/shm' : tmpdir()
/** `longpole-insert-PID-RANDOM`: a directory of each engine. */
const SPOOL = /^longpole-insert-(\d+)-/
/** A file in it that somebody else has put there, or will fetch. */
const GIVEN = /^[\w-]{1,64}$/
/** An answer that nobody has fetched by then goes: whoever asked for it is gone. */
const ANSWER_KEPT_MS = 300_000

function freeBytes(directory: string): number {
  if (!existsSync(directory)) return 0
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** Removes what engines that were killed have left in memory. */
function sweep(): void {
  for (const name of readdirSync(MEMORY)) {
    const pid = SPOOL.exec(name)?.[1]
    if (pid === undefined) continue
    try {
      process.kill(Number(pid), 0)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
        rmSync(join(MEMORY, name), { recursive: true, force: true })
      }
    }
  }
}

export type SpooledBody = { path: string; bytes: number; remove(): Promise<void> }

/** Files of INSERT data, and of answers, in a directory that only this user can look into. */
export type Spool = {
  directory: string
  /** Writes `first`, then the body. */
  receive(first: Buffer, request: IncomingMessage | undefined): Promise<SpooledBody>
  /**
   * A file that whoever may write there has put there, and removes again: on one machine bytes need not go through a
   * socket. @throws RefusedStatement where there is none
   */
  find(name: string): Promise<SpooledBody>
  /**
   * Where `write` is to put an answer, in a file that whoever asked for it reads and removes. @throws RefusedStatement
   * where there is such a file already
   */
  answer(name: string, write: (path: string) => Promise<void>): Promise<void>
  close(): void
}

export function openSpool(): Spool {
  sweep()
  const directory = mkdtempSync(join(MEMORY, `longpole-insert-${process.pid}-`))
  return {
    directory,
    receive: (first, request) => receive(join(directory, randomUUID()), first, request),
    async find(name) {
      const path = join(directory, name)
      const found = GIVEN.test(name) ? await lstat(path).catch(() => undefined) : undefined
      if (!found?.isFile()) throw new RefusedStatement(`no data ${name}`, 107, 'FILE_DOESNT_EXIST')
      return { path, bytes: found.size, remove: () => Promise.resolve() }
    },
    async answer(name, write) {
      const path = join(directory, name)
      if (!GIVEN.test(name) || (await lstat(path).catch(() => undefined)) !== undefined) {
        throw new RefusedStatement(`no place for an answer ${name}`, 504, 'FILE_ALREADY_EXISTS')
      }
      try {
        await write(path)
      } catch (error) {
        await rm(path, { force: true })
        throw error
      }
      setTimeout(() => rmSync(path, { force: true }), ANSWER_KEPT_MS).unref()
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
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

async function receive(
  path: string,
  first: Buffer,
  request: IncomingMessage | undefined,
): Promise<SpooledBody> {
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
