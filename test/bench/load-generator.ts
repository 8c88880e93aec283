import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Load, LoadResult } from './ingest-load.ts'

/** ingest-load.ts in a process of its own: one load after the other, the later ones with its code compiled. */
export function startLoadGenerator() {
  const file = fileURLToPath(new URL('./ingest-load.ts', import.meta.url))
  const child = fork(file, { execArgv: ['--import', import.meta.resolve('tsx')] })
  return {
    run(load: Load): Promise<LoadResult> {
      return new Promise((resolve, reject) => {
        child.once('message', (result) => resolve(result as LoadResult))
        child.once('error', reject)
        child.once('exit', (code) => code !== 0 && reject(new Error(`the load generator ended with ${code}`)))
        child.send(load)
      })
    },
    stop: () => child.disconnect(),
  }
}
