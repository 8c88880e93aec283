import { describe, expect, it } from 'vitest'
import { appendSpan, createColumns } from '../../src/trace/columns.ts'
import { detailKeyFrom, figuresFrom } from '../../src/trace/detail.ts'
import { createDictionary } from '../../src/trace/dictionary.ts'
import { shapeFieldsFrom, shapeKeyOf } from '../../src/trace/shape.ts'
import { findingsIn } from './score.ts'

const EPOCH_NS = 1_767_225_600_000_000_500n
const ns = (ms: number) => BigInt(Math.round(ms * 1e6))

type Message = { waitMs: number; workMs: number }

/** Messages of one queue, a minute apart; findings of the consumer by pattern. */
function backlog(messages: readonly Message[], overrides = {}) {
  const columns = createColumns(createDictionary())
  messages.forEach(({ waitMs, workMs }, i) => {
    const traceId = (i + 1).toString(16).padStart(32, '0')
    const sent = EPOCH_NS + ns(60_000 * i)
    const span = (service: string, of: string, name: string, at: bigint, forMs: number, parent: string) => {
      const attributes = { 'messaging.system': 'kafka', 'messaging.destination.name': 'mail' }
      const spanId = parent === '' ? '01' : '02'
      appendSpan(columns, {
        traceId,
        spanId: spanId.padStart(16, '0'),
        parentSpanId: parent,
        startNs: at,
        endNs: at + ns(forMs),
        status: 0,
        shapeKey: shapeKeyOf(shapeFieldsFrom(of, name, { 'service.name': service }, attributes)),
        detailKey: detailKeyFrom(of, attributes),
        figures: figuresFrom(attributes),
      })
    }
    span('shop', 'PRODUCER', 'send mail', sent, 4, '')
    span('mailer', 'CONSUMER', 'process mail', sent + ns(4 + waitMs), workMs, '01'.padStart(16, '0'))
  })
  return findingsIn(columns, overrides).filter(({ pattern }) => pattern === 'queue-backlog')
}

describe('a queue that falls behind', () => {
  it('holds messages many times as long as each takes', () => {
    const [finding, ...more] = backlog([{ waitMs: 90_000, workMs: 9000 }])
    expect(more).toEqual([])
    expect(finding).toMatchObject({
      service: 'mailer',
      scope: 'trace',
      component: { kind: 'queue', name: 'kafka/mail' },
      code: { service: 'mailer', caller: finding!.operation, operation: 'kafka/mail' },
      amount: 10,
      spentNs: 90e9,
      saved: { p50Ns: 0, p95Ns: 0, p99Ns: 0, meanNs: 0 },
      exemplars: ['00000000000000000000000000000001'],
    })
    expect(finding!.advice).toContain(`messages wait 90 s in kafka/mail before mailer ${finding!.operation}`)
  })

  it.each([
    ['four times as long', { waitMs: 36_000, workMs: 9000 }],
    ['less than a second', { waitMs: 900, workMs: 2 }],
    ['not at all', { waitMs: 0, workMs: 9000 }],
  ])('does not where they wait %s', (_, message) => {
    expect(backlog([message])).toEqual([])
  })

  it('is more than a few messages', () => {
    const of = (late: number) =>
      backlog(Array.from({ length: 20 }, (_, i) => ({ waitMs: i < late ? 30_000 : 5, workMs: 1000 })))
    expect(of(1)).toEqual([])
    expect(of(2).map(({ samples, entries }) => [samples, entries])).toEqual([[2, 20]])
  })

  it('goes by the settings', () => {
    const message = { waitMs: 900, workMs: 300 }
    expect(backlog([message], { 'queue-backlog.waitMs': 500 })).toEqual([])
    expect(backlog([message], { 'queue-backlog.waitMs': 500, 'queue-backlog.times': 3 })).toHaveLength(1)
  })
})
