import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { pino } from 'pino'
import { describe, expect, it, vi } from 'vitest'
import { type BatchLimits, createBatcher, DEFAULT_BATCH_LIMITS } from '../../src/receiver/batcher.ts'
import { createBudget } from '../../src/receiver/budget.ts'
import { createCounters } from '../../src/receiver/counters.ts'
import { createSpanDecoder } from '../../src/receiver/decode-spans.ts'
import { DEFAULT_SPAN_LIMITS } from '../../src/receiver/limits.ts'
import { createMemorySink, type MemorySink, refusal } from './memory-sink.ts'
import { NOW_NS, readableOf, type SampleSpan, sampleSpan, sampleSpans } from './span-samples.ts'

function batcherOn(sink: MemorySink, limits: Partial<BatchLimits> = {}, memoryBytes = 1e9) {
  const counters = createCounters()
  const batcher = createBatcher({
    sink,
    decode: createSpanDecoder({ limits: DEFAULT_SPAN_LIMITS, maxRowBytes: 1e9 }),
    window: () => ({ earliestNs: Number(NOW_NS) - 86_400e9, latestNs: Number(NOW_NS) + 86_400e9 }),
    limits: { ...DEFAULT_BATCH_LIMITS, waitMs: 50, quietMs: 10, gapMs: 0, smallRows: 0, ...limits },
    budget: createBudget(memoryBytes, counters),
    maxKeptBytes: 1e8,
    counters,
    log: pino({ level: 'silent' }),
  })
  return { ...batcher, counters, send: (spans: SampleSpan[]) => batcher.submit(requestOf(spans)) }
}

function requestOf(spans: SampleSpan[]): Uint8Array {
  return ProtobufTraceSerializer.serializeRequest(readableOf(spans))!
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

const ids = (sink: MemorySink) => sink.rows.map((row) => row.SpanId as string)
const idsOf = (spans: SampleSpan[]) => spans.map((span) => span.spanId)

describe('sharing inserts', () => {
  it('exports at the same time are one insert, each acknowledged', async () => {
    const sink = createMemorySink()
    const { send, counters } = batcherOn(sink, { waitMs: 1e9, quietMs: 500 })
    const batches = Array.from({ length: 20 }, (_, i) => sampleSpans(10, 1 + 10 * i))
    const outcomes = await Promise.all(batches.map(send))
    expect(outcomes.every((outcome) => outcome.kind === 'stored')).toBe(true)
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([200])
    expect(ids(sink)).toEqual(batches.flatMap(idsOf))
    expect(counters).toMatchObject({ received: 200, acknowledged: 200, inserts: 1, bytesInFlight: 0 })
  })

  it('nothing is acknowledged before it is in the store', async () => {
    const sink = createMemorySink()
    const { opened, open } = gate()
    sink.before = () => opened
    const { send, counters } = batcherOn(sink)
    let isAcknowledged = false
    const sent = send(sampleSpans(3)).then(() => {
      isAcknowledged = true
    })
    await until(() => sink.inserts.length === 1)
    expect(isAcknowledged).toBe(false)
    expect(counters.bytesInFlight).toBeGreaterThan(0)
    expect(counters.queueAgeSeconds).toBeGreaterThan(0)
    open()
    await sent
    expect(sink.rows).toHaveLength(3)
    await until(() => counters.queueAgeSeconds === 0)
  })

  it('a full batch does not wait', async () => {
    const sink = createMemorySink()
    const { send } = batcherOn(sink, { rows: 100, waitMs: 1e9, quietMs: 1e9 })
    await Promise.all([send(sampleSpans(60)), send(sampleSpans(60, 100))])
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([120])
  })

  it('while all inserts are busy what comes is gathered, up to the largest batch', async () => {
    const sink = createMemorySink()
    const { opened, open } = gate()
    sink.before = () => opened
    const { send } = batcherOn(sink, { rows: 10, maxRows: 40, concurrentInserts: 2 })
    const sent = Array.from({ length: 12 }, (_, i) => send(sampleSpans(10, 1 + 10 * i)))
    await until(() => sink.inserts.length === 2)
    open()
    await Promise.all(sent)
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([10, 40, 40, 30])
  })

  it('what waits is on its way to the store before what is stored is answered', async () => {
    const sink = createMemorySink()
    const { opened, open } = gate()
    const events: string[] = []
    sink.before = async (_rows, attempt) => {
      if (attempt === 0) return opened
      // ClickHouse's client waits for such a timer before it sends anything.
      await new Promise((resolve) => setTimeout(resolve, 0))
      events.push('sent')
    }
    const { send } = batcherOn(sink, { rows: 10 })
    const first = send(sampleSpans(10)).then(({ kind }) => events.push(kind))
    const second = send(sampleSpans(10, 11))
    open()
    await Promise.all([first, second])
    expect(events).toEqual(['sent', 'stored'])
  })

  it('a second insert begins beside another only for a full batch, or one that has waited long', async () => {
    const sink = createMemorySink()
    const { opened, open } = gate()
    sink.before = () => opened
    const { send } = batcherOn(sink, {
      rows: 50,
      maxRows: 50,
      waitMs: 1,
      besideMs: 1e9,
      concurrentInserts: 3,
    })
    const sent = [send(sampleSpans(10))]
    await until(() => sink.inserts.length === 1)
    sent.push(send(sampleSpans(10, 11)))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([10])
    sent.push(send(sampleSpans(40, 21)))
    await until(() => sink.inserts.length === 2)
    sent.push(send(sampleSpans(10, 61)))
    open()
    await Promise.all(sent)
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([10, 50, 10])

    const another = createMemorySink()
    const second = gate()
    another.before = () => second.opened
    const patient = batcherOn(another, { waitMs: 1, besideMs: 50, concurrentInserts: 2 })
    const both = [patient.send(sampleSpans(10))]
    await until(() => another.inserts.length === 1)
    both.push(patient.send(sampleSpans(10, 11)))
    await until(() => another.inserts.length === 2)
    second.open()
    await Promise.all(both)
  })

  it('few rows wait longer than many, and are not inserted as often', async () => {
    const sink = createMemorySink()
    const { send } = batcherOn(sink, { smallRows: 50, smallWaitMs: 1500, waitMs: 1e9 })
    await send(sampleSpans(10))
    const few = [send(sampleSpans(10, 11)), send(sampleSpans(10, 21))]
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([10])
    // With these there are enough: they go as soon as it is quiet.
    await Promise.all([...few, send(sampleSpans(40, 31))])
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([10, 60])
    await send(sampleSpans(10, 71))
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([10, 60, 10])
  })

  it('an export whose spans are all rejected is answered at once', async () => {
    const sink = createMemorySink()
    const { send, counters } = batcherOn(sink, { waitMs: 1e9, quietMs: 1e9 })
    expect(await send([sampleSpan({ startNs: 1n }), sampleSpan({ startNs: 2n })])).toMatchObject({
      kind: 'stored',
      rejected: 2,
      message: '2 spans rejected (2: start lies before the retention time)',
    })
    expect(await send([])).toEqual({ kind: 'stored', rejected: 0, message: '' })
    expect(counters).toMatchObject({ received: 2, rejected: { 'too-old': 2 }, bytesInFlight: 0 })
  })

  it('a malformed export in between harms no other', async () => {
    const sink = createMemorySink()
    const { send, submit } = batcherOn(sink)
    const good = [sampleSpans(2), sampleSpans(2, 10)]
    const bad = requestOf(sampleSpans(5, 100)).subarray(0, -1)
    const [first, malformed, last] = await Promise.all([send(good[0]!), submit(bad), send(good[1]!)])
    expect([first.kind, malformed.kind, last.kind]).toEqual(['stored', 'malformed', 'stored'])
    expect(ids(sink)).toEqual(good.flatMap(idsOf))
  })
})

describe('a store in trouble', () => {
  it('a failed insert is repeated with the same bytes and token, and is there once', async () => {
    const sink = createMemorySink()
    // The second time the answer is lost, after the rows were stored.
    sink.before = (_, attempt) => {
      if (attempt === 0) throw new Error('connection refused')
    }
    sink.after = (attempt) => {
      if (attempt === 1) throw new Error('connection reset')
    }
    const { send, counters } = batcherOn(sink)
    expect((await send(sampleSpans(4))).kind).toBe('stored')
    expect(sink.inserts).toHaveLength(3)
    const [first, ...others] = sink.inserts
    for (const other of others) expect(other).toEqual(first)
    expect(sink.rows).toHaveLength(4)
    expect(counters).toMatchObject({ insertRetries: 2, inserts: 1, acknowledged: 4 })
  })

  it('tokens differ from batch to batch', async () => {
    const sink = createMemorySink()
    const { send } = batcherOn(sink)
    for (let i = 0; i < 3; i++) await send(sampleSpans(1))
    expect(new Set(sink.inserts.map(({ token }) => token)).size).toBe(3)
  })

  it('that stays down is told to the exporter, at once from then on, until it is back', async () => {
    const sink = createMemorySink()
    sink.before = () => {
      throw new Error('connection refused')
    }
    const { send, refusal, counters } = batcherOn(sink, { retryForMs: 250 })
    expect(await send(sampleSpans(2))).toMatchObject({ kind: 'unavailable', retryAfterMs: 1000 })
    expect(refusal()).toMatchObject({ kind: 'unavailable' })
    expect(counters).toMatchObject({ acknowledged: 0, bytesInFlight: 0, insertFailures: 1 })
    // One that was on its way meanwhile is tried, but not again and again.
    const attempts = sink.inserts.length
    expect((await send(sampleSpans(2))).kind).toBe('unavailable')
    expect(sink.inserts).toHaveLength(attempts + 1)

    sink.before = () => {}
    expect((await send(sampleSpans(2))).kind).toBe('stored')
    expect(refusal()).toBeUndefined()
    expect(sink.rows).toHaveLength(2)
  })

  it('is given up in time, though the clock is set back meanwhile', async () => {
    const sink = createMemorySink()
    let nowMs = Date.now()
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => nowMs)
    sink.before = () => {
      nowMs -= 3_600_000
      throw new Error('connection refused')
    }
    const { send } = batcherOn(sink, { retryForMs: 250 })
    expect(await send(sampleSpans(1))).toMatchObject({ kind: 'unavailable' })
    clock.mockRestore()
  })

  it('is tried out without exports, and says why until it is back', async () => {
    const sink = createMemorySink()
    let isBack = false
    const fail = () => {
      if (!isBack) throw new Error('Permission denied')
    }
    sink.before = fail
    sink.probe = async () => fail()
    const { send, refusal, problem, stop } = batcherOn(sink, { retryForMs: 0 })
    expect(problem()).toBeUndefined()
    expect((await send(sampleSpans(2))).kind).toBe('unavailable')
    expect(problem()).toContain('Permission denied')
    isBack = true
    await until(() => problem() === undefined)
    expect(refusal()).toBeUndefined()
    expect(sink.inserts).toHaveLength(1)
    await stop(0)
  })

  it('that is damaged gets nothing, though it would take it', async () => {
    const sink = createMemorySink()
    let damage: string | undefined = 'part 1 of otel_traces is corrupted'
    sink.damage = () => damage
    const { send, refusal, problem } = batcherOn(sink)
    expect(problem()).toBe(damage)
    expect(refusal()).toMatchObject({ kind: 'unavailable' })
    damage = undefined
    expect(refusal()).toBeUndefined()
    expect((await send(sampleSpans(1))).kind).toBe('stored')
  })

  it('that hangs is given up after a while', async () => {
    const sink = createMemorySink()
    sink.before = () => new Promise(() => {})
    const { send, counters } = batcherOn(sink, { insertTimeoutMs: 50, retryForMs: 0 })
    expect((await send(sampleSpans(2))).kind).toBe('unavailable')
    expect(counters.bytesInFlight).toBe(0)
  })

  it('that was given up may still be reading: what it was given stays as it was', async () => {
    const sink = createMemorySink()
    const given: { native: readonly Uint8Array[]; before: Buffer }[] = []
    sink.insert = async ({ native }) => {
      given.push({ native, before: Buffer.concat(native) })
      if (given.length === 1) await new Promise(() => {})
    }
    const { send } = batcherOn(sink, { insertTimeoutMs: 50, retryForMs: 0 })
    expect((await send(sampleSpans(200))).kind).toBe('unavailable')
    sink.insert = async () => {}
    for (let i = 1; i <= 3; i++) expect((await send(sampleSpans(200, 1000 * i))).kind).toBe('stored')
    expect(Buffer.concat(given[0]!.native).equals(given[0]!.before)).toBe(true)
  })
})

describe('rows the store refuses', () => {
  const bad = new Set(['0000000000000003', '0000000000000004', '0000000000000013'])
  const refusing = () => {
    const sink = createMemorySink()
    sink.before = (rows) => {
      if (rows.some((row) => bad.has(row.SpanId as string))) throw refusal()
    }
    return sink
  }

  it('are found, counted and reported to whom they belong; the others are stored once', async () => {
    const sink = refusing()
    const { send, counters } = batcherOn(sink)
    const [first, second, third] = await Promise.all([
      send(sampleSpans(10, 1)),
      send(sampleSpans(10, 11)),
      send(sampleSpans(10, 21)),
    ])
    const message = (count: number) => `${count} spans rejected (${count}: refused by the store for its data)`
    expect(first).toEqual({ kind: 'stored', rejected: 2, message: message(2) })
    expect(second).toEqual({ kind: 'stored', rejected: 1, message: message(1) })
    expect(third).toEqual({ kind: 'stored', rejected: 0, message: '' })
    const expected = idsOf(sampleSpans(30)).filter((id) => !bad.has(id))
    expect(ids(sink).sort()).toEqual(expected)
    expect(counters).toMatchObject({
      acknowledged: 27,
      rejected: { 'refused-by-store': 3 },
      bytesInFlight: 0,
    })
    expect(new Set(sink.inserts.map(({ token }) => token)).size).toBe(sink.inserts.length)
  })

  it('in a batch of rows that are all bad are all reported', async () => {
    const sink = createMemorySink()
    sink.before = () => {
      throw refusal()
    }
    const { send } = batcherOn(sink)
    expect(await send(sampleSpans(9))).toMatchObject({ kind: 'stored', rejected: 9 })
    expect(sink.rows).toHaveLength(0)
  })

  it('if the store fails meanwhile, whose rows are all settled is answered, the others are to try again', async () => {
    const sink = refusing()
    const refuse = sink.before
    sink.before = (rows, attempt) => {
      if (rows.some((row) => (row.SpanId as string) > '0000000000000018')) {
        if (attempt > 0) throw new Error('gone')
      }
      return refuse(rows, attempt)
    }
    const { send } = batcherOn(sink, { retryForMs: 0 })
    const [first, second] = await Promise.all([send(sampleSpans(10, 1)), send(sampleSpans(22, 11))])
    expect(first).toMatchObject({ kind: 'stored', rejected: 2 })
    expect(second).toMatchObject({ kind: 'unavailable' })
  })
})

describe('an error that blames neither the data nor clearly the store', () => {
  const answering = (isBad: (id: string) => boolean) => {
    const sink = createMemorySink()
    sink.before = (rows) => {
      if (rows.some((row) => isBad(row.SpanId as string))) {
        throw Object.assign(new Error('Memory limit exceeded'), { code: '241' })
      }
    }
    return sink
  }

  it('is narrowed down: only whose rows do not go in is to try again', async () => {
    const sink = answering((id) => id === '0000000000000013')
    const { send, refusal } = batcherOn(sink, { retryForMs: 0 })
    const outcomes = await Promise.all([
      send(sampleSpans(10, 1)),
      send(sampleSpans(10, 11)),
      send(sampleSpans(10, 21)),
    ])
    expect(outcomes.map(({ kind }) => kind)).toEqual(['stored', 'unavailable', 'stored'])
    expect(refusal()).toBeUndefined()
    expect(ids(sink)).toHaveLength(29)
  })

  it('that neither half escapes is the store being down', async () => {
    const sink = answering(() => true)
    const { send, refusal } = batcherOn(sink, { retryForMs: 0 })
    expect((await send(sampleSpans(1000))).kind).toBe('unavailable')
    expect(sink.inserts.map(({ rows }) => rows)).toEqual([1000, 500, 500])
    expect(refusal()).toMatchObject({ kind: 'unavailable' })
  })
})

describe('memory', () => {
  it('is counted from the decoding to the acknowledgement; over the budget nothing more is let in', async () => {
    const sink = createMemorySink()
    const { opened, open } = gate()
    sink.before = () => opened
    const { send, refusal, counters } = batcherOn(sink, {}, 200_000)
    const sent: ReturnType<typeof send>[] = []
    for (let i = 0; refusal() === undefined; i++) {
      sent.push(send(sampleSpans(100, 1 + 100 * i)))
      expect(i).toBeLessThan(20)
    }
    expect(refusal()).toEqual({ kind: 'busy', retryAfterMs: 1000 })
    open()
    await Promise.all(sent)
    expect(refusal()).toBeUndefined()
    expect(refusal(200_001)).toMatchObject({ kind: 'busy' })
    expect(counters.bytesInFlight).toBe(0)
  })
})

describe('stopping', () => {
  it('stores what is there', async () => {
    const sink = createMemorySink()
    const { send, stop, refusal } = batcherOn(sink, { waitMs: 1e9, quietMs: 1e9 })
    const sent = send(sampleSpans(5))
    await stop(5000)
    expect((await sent).kind).toBe('stored')
    expect(refusal()).toMatchObject({ kind: 'unavailable' })
    expect((await send(sampleSpans(1))).kind).toBe('unavailable')
    expect(sink.rows).toHaveLength(5)
  })

  it('answers what was stored just now as stored', async () => {
    const sink = createMemorySink()
    const { opened, open } = gate()
    sink.before = (_rows, attempt) => (attempt === 0 ? opened : new Promise(() => {}))
    const { send, stop } = batcherOn(sink, { rows: 10 })
    const sent = [send(sampleSpans(10)), send(sampleSpans(10, 11))]
    open()
    await until(() => sink.inserts.length === 2)
    await stop(0)
    expect((await Promise.all(sent)).map(({ kind }) => kind)).toEqual(['stored', 'unavailable'])
  })

  it('answers what could not be stored in time', async () => {
    const sink = createMemorySink()
    sink.before = () => new Promise(() => {})
    const { send, stop } = batcherOn(sink)
    const sent = send(sampleSpans(5))
    await stop(100)
    expect((await sent).kind).toBe('unavailable')
  })
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1))
}
