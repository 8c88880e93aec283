import { afterEach, it } from 'vitest'
import { createDataDir, type RunningService } from '../support/service.ts'
import { expectExactlyOnce } from './exactly-once.ts'
import { killUnderLoad, VICTIMS } from './kill.ts'

const data = createDataDir()
let service: RunningService | undefined
afterEach(async () => {
  await service?.end('SIGKILL')
  data.remove()
})

it('20 times kill -9 of the engine, the service, or both: every acknowledged span is counted exactly once', async () => {
  const seed = Date.now() | 0
  console.log(`seed ${seed}`)
  const victims = Array.from({ length: 20 }, (_, round) => VICTIMS[round % VICTIMS.length]!)
  const result = await killUnderLoad(data.path, victims, seed)
  service = result.service
  console.log({ acknowledged: result.load.acknowledged.size, attempts: result.load.attempts })
  await expectExactlyOnce(service, { url: service.clickhouse, database: 'longpole' }, result.load)
})
