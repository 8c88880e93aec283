import { afterEach, expect, it } from 'vitest'
import { createDataDir, type RunningService } from '../support/service.ts'
import { expectExactlyOnce } from './exactly-once.ts'
import { killUnderLoad } from './kill.ts'

const data = createDataDir()
let service: RunningService | undefined
afterEach(async () => {
  await service?.end('SIGKILL')
  data.remove()
})

it('kill -9 of the engine, the service, and both: every acknowledged span is counted exactly once', async () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const result = await killUnderLoad(data.path, ['engine', 'both'], seed)
  service = result.service
  expect(result.load.acknowledged.size).toBeGreaterThan(200)
  await expectExactlyOnce(service, { url: service.clickhouse, database: 'longpole' }, result.load)
}, 120_000)
