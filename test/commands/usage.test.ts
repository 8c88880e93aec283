import { spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandContext } from '../../src/commands/context.ts'
import { startService } from '../../src/commands/service.ts'
import { UsageError } from '../../src/commands/usage.ts'
import { readConfig } from '../../src/config.ts'
import { newDirectory } from '../support/directory.ts'
import { openTestStore, quiet, type TestStore } from '../support/store.ts'
import { capture } from './capture.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

function longpole(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LONGPOLE_API: '127.0.0.1:1' },
  })
  return { status, stdout, stderr }
}

const COMMANDS = ['serve', 'demo', 'analyze', 'import', 'report', 'migrate']
const load = (name: string) =>
  import(`../../src/commands/${name}.ts`) as Promise<{
    run: (args: string[], context: CommandContext) => Promise<number>
  }>

describe('the command line', () => {
  it.each([
    [['--help'], 0, 'migrate ', ''],
    [['nothing'], 2, '', 'no command "nothing"'],
    [['report', '--target', 'soon'], 2, '', '--target: not a target: "soon"'],
    [['report'], 1, '', 'no service answers at http://127.0.0.1:1; start one with `npm start`'],
  ] as const)('%j ends with %d', (args, status, stdout, stderr) => {
    const contains = (text: string) => (text === '' ? '' : expect.stringContaining(text))
    expect(longpole(...args)).toMatchObject({ status, stdout: contains(stdout), stderr: contains(stderr) })
  })

  it.each([
    ['serve', ['--roles', 'receiver,cook'], 'no role "cook"; there are receiver, analyzer, api'],
    ['report', ['--top', '0'], '--top: expected a whole number above 0'],
    ['demo', ['--requests', 'many'], '--requests: expected a whole number above 0'],
  ])('%s %j makes no sense', async (name, args, message) => {
    const { run } = await load(name)
    await expect(run(args, capture())).rejects.toThrow(message)
    await expect(run(args, capture())).rejects.toThrow(UsageError)
  })

  it.each(COMMANDS)('%s --help fits a terminal', async (name) => {
    const { run } = await load(name)
    for (const flag of ['--help', '-h']) {
      const context = capture()
      expect(await run([flag], context)).toBe(0)
      expect(context.out()).toMatch(new RegExp(`^usage: longpole ${name}`))
      expect(
        Math.max(
          ...context
            .out()
            .split('\n')
            .map((line) => line.length),
        ),
      ).toBeLessThanOrEqual(80)
    }
    await expect(run(['--no-such-option'], capture())).rejects.toThrow("Unknown option '--no-such-option'")
  })
})

describe('settings', () => {
  it.each([
    ['LONGPOLE_API', 'localhost', 'expected host:port'],
    ['LONGPOLE_SETTLE_SECONDS', 'soon', 'expected a whole number'],
    ['LONGPOLE_CLICKHOUSE_DATABASE', 'a b', 'expected an identifier'],
    ['LONGPOLE_TLS_CERT', 'cert.pem', 'go together'],
  ])('%s=%s is refused by name', (name, value, message) => {
    expect(() => readConfig({ [name]: value })).toThrow(new RegExp(`${name}.*${message}`))
  })

  it('that are empty count as unset', () => {
    expect(readConfig({ LONGPOLE_API: '', LONGPOLE_TOKEN: '' })).toEqual(readConfig({}))
  })
})

describe('what only shows at the start is named with its setting', () => {
  it.each([
    ['LONGPOLE_CLICKHOUSE_URL', 'http://127.0.0.1:1/?wait=1', 'the store cannot be used'],
    // Nothing can be made there, and the system says that it is not there.
    ['LONGPOLE_DATA_DIR', '/proc/longpole/data', 'cannot be used'],
  ])('%s=%s', async (name, value, message) => {
    const config = readConfig({ [name]: value, LONGPOLE_CLICKHOUSE_HTTP: '127.0.0.1:0' })
    await expect(startService(config, quiet, [])).rejects.toThrow(new RegExp(`${name}=.*${message}`))
  })
})

describe('a port that is taken', () => {
  let store: TestStore
  const taken = createServer()
  beforeAll(async () => {
    store = await openTestStore()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    taken.close()
    await store?.close()
  })

  it.each(['LONGPOLE_OTLP_GRPC', 'LONGPOLE_OTLP_HTTP', 'LONGPOLE_API', 'LONGPOLE_CLICKHOUSE_HTTP'])(
    'is named with its setting: %s',
    async (name) => {
      const address = `127.0.0.1:${(taken.address() as { port: number }).port}`
      const free = '127.0.0.1:0'
      const config = readConfig({
        ...(name === 'LONGPOLE_CLICKHOUSE_HTTP' ? {} : { LONGPOLE_CLICKHOUSE_URL: store.url }),
        LONGPOLE_DATA_DIR: newDirectory(),
        LONGPOLE_CLICKHOUSE_DATABASE: store.database,
        LONGPOLE_OTLP_GRPC: free,
        LONGPOLE_OTLP_HTTP: free,
        LONGPOLE_API: free,
        [name]: address,
      })
      await expect(startService(config, quiet)).rejects.toThrow(`${name}=${address}: the port is taken`)
    },
  )
})
