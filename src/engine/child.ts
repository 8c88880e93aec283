import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { serveEngine } from './http-server.ts'
import { claimDataDir } from './lock.ts'

/** What the parent tells the child, as JSON in its first argument. */
export type ChildOptions = { dataDir: string; host: string; port: number; readers: boolean }

/** What the child tells the parent. */
export type ChildMessage =
  | { type: 'ready'; port: number }
  | { type: 'failed'; reason: 'no-engine' | 'port' | 'data-dir' | 'other'; message: string }

function tell(message: ChildMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve()
    else process.send(message, () => resolve())
  })
}

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '{}') as ChildOptions
  // The parent is gone, by kill -9 perhaps: nobody must keep the data directory.
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C reaches the whole group; the parent stops its child when everything before it has stopped.
  process.on('SIGINT', () => {})
  let chdb: typeof import('chdb')
  try {
    chdb = createRequire(import.meta.url)('chdb')
  } catch (error) {
    await tell({ type: 'failed', reason: 'no-engine', message: (error as Error).message })
    process.exit(1)
  }
  try {
    mkdirSync(options.dataDir, { recursive: true })
    claimDataDir(options.dataDir)
    new chdb.Session(options.dataDir).query('SELECT 1')
  } catch (error) {
    await tell({ type: 'failed', reason: 'data-dir', message: (error as Error).message })
    process.exit(1)
  }
  try {
    const server = await serveEngine(() => new chdb.Session(options.dataDir), options)
    process.on('message', async (message) => {
      if (message !== 'stop') return
      await server.close()
      await chdb.drainPending()
      process.exit(0)
    })
    await tell({ type: 'ready', port: server.port })
  } catch (error) {
    const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    await tell({ type: 'failed', reason: inUse ? 'port' : 'other', message: (error as Error).message })
    process.exit(1)
  }
}

await main()
