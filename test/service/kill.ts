import { execFileSync } from 'node:child_process'
import { seeded } from '../bench/random.ts'
import { type RunningService, startService, until } from '../support/service.ts'
import { IMPATIENT, pause, type SpanLoad, startLoad } from './span-load.ts'

export const VICTIMS = ['engine', 'service', 'both'] as const
export type Victim = (typeof VICTIMS)[number]

/** kill -9 under load, at a random moment within a second, each time once spans are acknowledged again. */
export async function killUnderLoad(
  dataDir: string,
  victims: readonly Victim[],
  seed: number,
): Promise<{ service: RunningService; load: SpanLoad }> {
  const random = seeded(seed)
  let service = await startService(dataDir)
  const load = startLoad({ address: () => service.otlpGrpc, senders: 4, pauseMs: 20, policy: IMPATIENT })
  const underLoad = () => {
    const before = load.acknowledged.size
    return until(
      async () => load.acknowledged.size,
      (n) => n > before + 100,
      60_000,
    )
  }
  for (const victim of victims) {
    await underLoad()
    await pause(1000 * random())
    if (victim !== 'service') process.kill(enginePid(service), 'SIGKILL')
    if (victim !== 'engine') {
      await service.end('SIGKILL')
      service = await startService(dataDir)
    }
  }
  await underLoad()
  await load.finish()
  return { service, load }
}

/** The service's child that runs src/engine/child.ts. */
export function enginePid(service: RunningService): number {
  const found = execFileSync('pgrep', ['-P', String(service.process.pid), '-f', 'engine/child'])
  return Number(String(found).trim())
}
