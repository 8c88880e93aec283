import { setPriority } from 'node:os'
import { startAnalyzer } from '../analyzer/analyzer.ts'
import { runPart } from './part-thread.ts'

/** How often the counters are told: as they stood when something was last waited for. */
const TELL_MS = 500
/** Where the processor is short, acknowledgements go first. On Linux a thread has a priority of its own. */
const NICE = 5

/** Entry of the thread that analyzes: a batch takes seconds, and acknowledgements would wait as long. */
runPart(async ({ config }, { store, log, parent }) => {
  if (process.platform === 'linux') setPriority(NICE)
  const { settleSeconds, findingLimits, dependencies } = config
  const analyzer = startAnalyzer({ store, settleSeconds, findingLimits, dependencies, log })
  const tell = () => parent.tell('counters', analyzer.counters)
  const timer = setInterval(tell, TELL_MS)
  return {
    started: undefined,
    handlers: {
      async drain() {
        await analyzer.drain()
        tell()
      },
    },
    async stop() {
      clearInterval(timer)
      await analyzer.stop()
    },
  }
})
