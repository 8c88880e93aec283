import { pino } from 'pino'
import { afterEach, expect, it } from 'vitest'
import { type Part, startPart } from '../../src/commands/part.ts'
import { until } from '../support/service.ts'

let lines: Record<string, unknown>[] = []
let part: Part<number> | undefined
afterEach(async () => {
  await part?.stop()
  part = undefined
  lines = []
})

function start(argument: object = {}) {
  const counters = { restarts: 0 }
  const log = pino(
    { formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  )
  part = startPart<number>('frail part', new URL('./frail-part.ts', import.meta.url), {
    argument: (last) => ({ ...argument, last }),
    handlers: {
      age: () => 42,
      fault: () => {
        throw new Error('do not know')
      },
    },
    counters,
    log,
  })
  return { part, counters }
}

it('is asked and asks; what goes wrong comes back as an error; what it logs is logged', async () => {
  const { part } = start()
  await part.started
  expect(await part.call('ask', 'age')).toBe(42)
  await expect(part.call('ask', 'fault')).rejects.toThrow('do not know')
  expect(lines).toMatchObject([{ level: 'info', msg: 'started' }])
})

it('that dies is started again; that is logged and counted, and told to whoever waits', async () => {
  const { part, counters } = start()
  const first = await part.started
  await expect(part.call('die')).rejects.toThrow('the thread of the frail part ended (1)')
  await expect(part.call('ask', 'age')).rejects.toThrow('the thread of the frail part ended (1)')
  await until(
    async () => lines,
    () => lines.some(({ msg }) => msg === 'a part of the service runs again'),
  )
  expect(await part.call('ask', 'age')).toBe(42)
  expect(counters).toEqual({ restarts: 1 })
  expect(lines).toMatchObject([
    { level: 'info', msg: 'started' },
    { level: 'error', msg: 'a part of the service died', part: 'frail part' },
    { level: 'info', msg: 'started', last: first },
    { level: 'info', msg: 'a part of the service runs again', part: 'frail part' },
  ])
  expect(JSON.stringify(lines[1])).toContain('found dead')
})

it('whose first start fails says why, and is not started again', async () => {
  const { part, counters } = start({ fails: 'the port is taken' })
  await expect(part.started).rejects.toThrow('the port is taken')
  await part.stop()
  expect({ counters, lines }).toEqual({ counters: { restarts: 0 }, lines: [] })
})

it('is stopped while it starts', async () => {
  const { part } = start()
  const outcome = part.started.catch((error: Error) => error.message)
  await part.stop()
  expect(await outcome).toBeDefined()
})
