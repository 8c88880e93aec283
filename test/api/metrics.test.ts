import { expect, it } from 'vitest'
import { createMetrics } from '../../src/api/metrics.ts'
import { createCounters, observe } from '../../src/receiver/counters.ts'

/** `name{labels} value` lines of a scrape. */
async function scrape(metrics: ReturnType<typeof createMetrics>): Promise<Map<string, number>> {
  const lines = (await metrics.scrape()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

it('says what the parts have counted, anew at each scrape', async () => {
  const receiver = createCounters()
  const analyzer = { traces: 3, repairs: { orphan: 1, cycle: 0 }, lagSeconds: 2.5 }
  const metrics = createMetrics({ receiver, analyzer, absent: undefined })
  receiver.received = 10
  receiver.rejected['too-old'] = 4
  receiver.bytesInFlight = 100
  observe(receiver.batchRows, 7)
  observe(receiver.batchRows, 70)
  observe(receiver.batchRows, 1e6)
  const first = await scrape(metrics)
  const expected = {
    longpole_receiver_received_total: 10,
    'longpole_receiver_rejected_total{reason="too-old"}': 4,
    'longpole_receiver_rejected_total{reason="no-time"}': 0,
    longpole_receiver_bytes_in_flight: 100,
    'longpole_receiver_batch_rows_bucket{le="10"}': 1,
    'longpole_receiver_batch_rows_bucket{le="100"}': 2,
    'longpole_receiver_batch_rows_bucket{le="80000"}': 2,
    'longpole_receiver_batch_rows_bucket{le="+Inf"}': 3,
    longpole_receiver_batch_rows_sum: 1_000_077,
    longpole_receiver_batch_rows_count: 3,
    longpole_analyzer_traces_total: 3,
    'longpole_analyzer_repairs_total{kind="orphan"}': 1,
    longpole_analyzer_lag_seconds: 2.5,
  }
  for (const [name, value] of Object.entries(expected)) expect([name, first.get(name)]).toEqual([name, value])

  receiver.received = 11
  receiver.bytesInFlight = 0
  const second = await scrape(metrics)
  expect(second.get('longpole_receiver_received_total')).toBe(11)
  expect(second.get('longpole_receiver_bytes_in_flight')).toBe(0)
  expect((await metrics.scrape()).match(/# TYPE longpole_receiver_batch_rows histogram/g)).toHaveLength(1)
})
