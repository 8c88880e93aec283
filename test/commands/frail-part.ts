import { parentPort, threadId } from 'node:worker_threads'
import { connectCalls } from '../../src/commands/calls.ts'

/** A thread that does as it is told. */
const parent = connectCalls(parentPort!, {
  start(argument: { fails?: string; last?: number }) {
    if (argument.fails !== undefined) throw new Error(argument.fails)
    parent.tell(
      'log',
      JSON.stringify({ level: 'info', time: 0, pid: 0, msg: 'started', last: argument.last }),
    )
    return threadId
  },
  ask: (name: string) => parent.call(name),
  die() {
    setImmediate(() => {
      throw new Error('found dead')
    })
    return new Promise(() => {})
  },
  stop: () => process.exit(),
})
