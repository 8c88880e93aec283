import type { MessagePort, Worker } from 'node:worker_threads'

/** What the other side may ask for, by name; what is returned, or thrown, is its answer. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

export type Calls = {
  /** @throws Error with the other side's message, or because it is gone */
  call<Answer>(name: string, argument?: unknown): Promise<Answer>
  /** The same, and nobody waits for an answer. */
  tell(name: string, argument?: unknown): void
  /** The other side is gone: those who wait, and whoever still asks, are told why. */
  end(why: Error): void
}

type Message =
  | { type: 'call'; id: number | undefined; name: string; argument: unknown }
  | { type: 'answer'; id: number; answer: unknown }
  | { type: 'failure'; id: number; message: string }

/** Calls between threads, either way. */
export function connectCalls(port: MessagePort | Worker, handlers: Handlers): Calls {
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>()
  let lastId = 0
  let ended: Error | undefined
  const post = (message: Message) => port.postMessage(message)

  port.on('message', async (message: Message) => {
    if (message.type === 'call') {
      const { id, name, argument } = message
      try {
        const answer = await handlers[name]!(argument as never)
        if (id !== undefined) post({ type: 'answer', id, answer })
      } catch (error) {
        if (id === undefined) throw error
        post({ type: 'failure', id, message: (error as Error).message })
      }
      return
    }
    const { resolve, reject } = waiting.get(message.id)!
    waiting.delete(message.id)
    if (message.type === 'answer') resolve(message.answer as never)
    else reject(new Error(message.message))
  })
  return {
    call: (name, argument) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended)
        const id = ++lastId
        waiting.set(id, { resolve, reject })
        post({ type: 'call', id, name, argument })
      }),
    tell: (name, argument) => post({ type: 'call', id: undefined, name, argument }),
    end(why) {
      ended = why
      for (const { reject } of waiting.values()) reject(why)
      waiting.clear()
    },
  }
}
