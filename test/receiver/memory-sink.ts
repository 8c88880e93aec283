import type { SpanSink } from '../../src/receiver/sink.ts'
import { type NativeRow, readNative } from './native-reader.ts'

/** A store in memory: keeps rows, knows tokens, and can be told to misbehave. */
export type MemorySink = SpanSink & {
  rows: NativeRow[]
  /** Every insert asked for, in order. */
  inserts: { rows: number; token: string; native: Uint8Array }[]
  /** Called before each insert takes effect; what it throws, the insert does. */
  before: (rows: NativeRow[], attempt: number) => Promise<void> | void
  /** Called once an insert has taken effect, before it is answered. */
  after: (attempt: number) => Promise<void> | void
}

export function createMemorySink(): MemorySink {
  const tokens = new Set<string>()
  const sink: MemorySink = {
    rows: [],
    inserts: [],
    before: () => {},
    after: () => {},
    async insert({ rows: count, native: parts, token }) {
      const attempt = sink.inserts.length
      const native = Buffer.concat(parts)
      sink.inserts.push({ rows: count, token, native })
      const rows = readNative(native)
      if (rows.length !== count) throw new Error(`${rows.length} rows in a batch of ${count}`)
      await sink.before(rows, attempt)
      if (!tokens.has(token)) sink.rows.push(...rows)
      tokens.add(token)
      await sink.after(attempt)
    },
  }
  return sink
}

/** What ClickHouse says when it does not like the data. */
export function refusal(): Error {
  return Object.assign(new Error('Cannot parse'), { code: '117', type: 'INCORRECT_DATA' })
}
