import { fork } from 'node:child_process'
import { once } from 'node:events'

/** What `npm run bench` runs, one after the other, each in a process of its own so that none warms up the next. */
const BENCHES = ['analysis.ts', 'learning.ts', 'memory.ts', 'decode.ts']

for (const name of BENCHES) {
  const [code] = await once(fork(new URL(name, import.meta.url)), 'exit')
  console.log()
  if (code !== 0) process.exitCode = 1
}
