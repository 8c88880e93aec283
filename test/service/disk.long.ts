import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterEach, describe, expect, it } from 'vitest'
import { createDataDir, type RunningService, startService, until } from '../support/service.ts'
import { expectExactlyOnce } from './exactly-once.ts'
import { IMPATIENT, type SpanLoad, startLoad } from './span-load.ts'

const isRoot = process.getuid?.() === 0
const succeeds = (command: string, args: string[]) => spawnSync(command, args).status === 0

/** Without these it may write where nobody may. */
const CAPABILITIES = '-dac_override,-dac_read_search'
const AS_ANYBODY = ['--bounding-set', CAPABILITIES, '--inh-caps', CAPABILITIES]

/** Skipped where it cannot run, which is said; root can run them, if its container lets it. */
const only = (can: boolean, needs: string) => {
  if (can) return it
  if (process.env.CI && !isRoot) throw new Error(`these tests need ${needs}`)
  console.warn(`NOT TESTED: this needs ${needs}`)
  return it.skip
}

const data = createDataDir()
const mount = join(data.path, 'small')
let service: RunningService | undefined
let load: SpanLoad | undefined
afterEach(async () => {
  await load?.abandon()
  await service?.end('SIGKILL')
  load = undefined
  service = undefined
})

const readiness = async () => {
  const answer = await fetch(`http://${service!.api}/readyz`)
  const { error } = (await answer.json()) as { error?: { message: string } }
  return { status: answer.status, message: error?.message ?? '' }
}
const ready = (status: number) => until(readiness, (answer) => answer.status === status)

function startSmallLoad() {
  load = startLoad({ address: () => service!.otlpGrpc, senders: 2, pauseMs: 20, policy: IMPATIENT })
  return load
}

const acknowledgedMore = (than: number) =>
  until(
    async () => load!.acknowledged.size,
    (n) => n > than,
  )

async function expectNoneAcknowledged(): Promise<void> {
  // What was decoded when it began is answered.
  const metrics = async () => (await fetch(`http://${service!.api}/metrics`)).text()
  await until(metrics, (text) => /^longpole_receiver_queue_age_seconds 0$/m.test(text))
  const before = load!.acknowledged.size
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(load!.acknowledged.size).toBe(before)
}

async function expectAllThere(): Promise<void> {
  await load!.finish()
  await expectExactlyOnce(service!, { url: service!.clickhouse, database: 'longpole' }, load!)
}

describe('the disk is full', () => {
  mkdirSync(mount)
  const mountSmall = () => succeeds('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', mount])
  const unmount = () => succeeds('umount', ['--lazy', mount])
  const canMount = isRoot && mountSmall() && unmount()
  afterEach(unmount)

  only(canMount, 'root that may mount')(
    'is said, nothing is acknowledged; with room again all is',
    async () => {
      mountSmall()
      service = await startService(join(mount, 'data'))
      startSmallLoad()
      await acknowledgedMore(100)
      const ballast = join(mount, 'ballast')
      // As much as there is room for, to the last byte.
      spawnSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=64k'])
      expect((await ready(503)).message).toMatch(
        /disk is full|enough free space|No space left|writes failed/i,
      )
      await expectNoneAcknowledged()
      rmSync(ballast)
      await ready(200)
      await acknowledgedMore(load!.acknowledged.size)
      await expectAllThere()
    },
  )

  only(canMount, 'root that may mount')('from the start: the service ends and says why', async () => {
    mountSmall()
    execFileSync('fallocate', ['--length', '246M', join(mount, 'ballast')])
    const path = join(mount, 'data')
    mkdirSync(path)
    await expect(startService(path)).rejects.toThrow(
      `LONGPOLE_DATA_DIR=${path} cannot be used: the disk is full: 10.00 MiB left`,
    )
  })
})

describe('writes fail, and the engine does not notice', () => {
  const canLimit = succeeds('prlimit', ['--version'])
  /** Whoever writes more than he may is told so rather than killed. */
  const under = ['sh', '-c', 'trap "" XFSZ; exec "$@"', 'sh']
  const runsAgain = () =>
    until(
      async () => service!.lines.filter((line) => line.includes('the engine runs again')).length,
      (times) => times > 0,
    )

  /** From now on no file of the engine grows, until it is started again. */
  function failWrites(): void {
    const children = execFileSync('pgrep', ['--parent', `${service!.process.pid}`], { encoding: 'utf8' })
    const engine = children
      .trim()
      .split('\n')
      .find((pid) => readFileSync(`/proc/${pid}/environ`, 'utf8').includes('LONGPOLE_ENGINE='))
    execFileSync('prlimit', ['--pid', engine!, '--fsize=0:'])
  }

  only(canLimit, 'prlimit')('of inserts: none is acknowledged that is not there', async () => {
    service = await startService(join(data.path, 'cut-inserts'), {}, { under })
    startSmallLoad()
    await acknowledgedMore(100)
    failWrites()
    await runsAgain()
    await ready(200)
    await acknowledgedMore(load!.acknowledged.size)
    await expectAllThere()
  })

  only(canLimit, 'prlimit')('of a merge: what it read is there', async () => {
    service = await startService(join(data.path, 'cut-merge'), {}, { under })
    startSmallLoad()
    await acknowledgedMore(500)
    await load!.finish()
    failWrites()
    const client = createClient({ url: service.clickhouse, database: 'longpole' })
    await expect(client.command({ query: 'OPTIMIZE TABLE otel_traces FINAL' })).rejects.toThrow()
    await client.close()
    await runsAgain()
    await ready(200)
    await expectAllThere()
  })
})

describe('the data directory is read-only', () => {
  const canDrop = !isRoot || succeeds('setpriv', [...AS_ANYBODY, 'true'])
  // Files come and go meanwhile: what is gone needs no mode.
  const chmodAll = (path: string, mode: string) => spawnSync('chmod', ['-R', mode, path])

  only(canDrop, 'setpriv where it runs as root')(
    'is said, nothing is acknowledged; once it can be written again all is',
    async () => {
      const path = join(data.path, 'read-only')
      service = await startService(path, {}, { under: isRoot ? ['setpriv', ...AS_ANYBODY] : [] })
      startSmallLoad()
      await acknowledgedMore(100)
      chmodAll(path, 'u-w')
      expect((await ready(503)).message).toContain('Permission denied')
      await expectNoneAcknowledged()
      chmodAll(path, 'u+w')
      await ready(200)
      await acknowledgedMore(load!.acknowledged.size)
      await expectAllThere()
    },
  )

  only(canDrop, 'setpriv where it runs as root')(
    'from the start: the service ends and says why',
    async () => {
      const path = join(data.path, 'never-writable')
      mkdirSync(path, { mode: 0o555 })
      await expect(
        startService(path, {}, { under: isRoot ? ['setpriv', ...AS_ANYBODY] : [] }),
      ).rejects.toThrow(`LONGPOLE_DATA_DIR=${path} cannot be used: EACCES`)
    },
  )
})

describe('a part is corrupted', () => {
  /** The directory of a part of otel_traces, of a store that has stopped. */
  const storeWithPart = async () => {
    const path = join(data.path, `corrupted-${Math.random()}`)
    service = await startService(path)
    startSmallLoad()
    await acknowledgedMore(100)
    await load!.finish()
    const client = createClient({ url: service.clickhouse, database: 'longpole' })
    await client.command({ query: 'OPTIMIZE TABLE otel_traces FINAL' })
    const answer = await client.query({
      query: "SELECT path FROM system.parts WHERE database = 'longpole' AND table = 'otel_traces' AND active",
      format: 'JSONEachRow',
    })
    const part = (await answer.json<{ path: string }>())[0]!.path
    await client.close()
    expect(await service.end('SIGTERM')).toBe(0)
    return { path, part }
  }

  it('found at the start: is said with its name, nothing is acknowledged', async () => {
    const { path, part } = await storeWithPart()
    truncateSync(join(part, 'data.bin'), 100)
    service = await startService(path)
    const { message } = await ready(503)
    expect(message).toContain('of otel_traces is set aside: broken-on-start')
    startSmallLoad()
    await expectNoneAcknowledged()
    expect(load!.acknowledged.size).toBe(0)

    // Whoever accepts the loss says so.
    const name = /part (\S+) of/.exec(message)![1]
    const client = createClient({ url: service.clickhouse, database: 'longpole' })
    await client.command({
      query: `ALTER TABLE otel_traces DROP DETACHED PART '${name}' SETTINGS allow_drop_detached = 1`,
    })
    await client.close()
    await ready(200)
    await acknowledgedMore(0)
  })

  // The first compressed block: 16 bytes of checksum, the codec, two lengths, what is packed.
  it.each([
    ['codec', 16, 'Unknown codec'],
    ['packed data', 60, 'Checksum'],
    ['packed length', 19, 'while reading from part'],
  ])(
    'found when it is read, a broken %s: is said with its name, nothing more is acknowledged',
    async (_, at, said) => {
      const { path, part } = await storeWithPart()
      const file = join(part, 'data.bin')
      const bytes = readFileSync(file)
      bytes[at]! ^= 0xff
      writeFileSync(file, bytes)
      service = await startService(path)
      startSmallLoad()
      await acknowledgedMore(0)
      const client = createClient({ url: service.clickhouse, database: 'longpole' })
      const read = client.command({ query: 'SELECT * FROM otel_traces FORMAT Null' })
      await expect(read).rejects.toThrow(said)
      await client.close()
      expect((await ready(503)).message).toMatch(/part \S+ of otel_traces is corrupted/)
      await expectNoneAcknowledged()
    },
  )
})
