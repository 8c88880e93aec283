import type { ExplainedBottleneck as Bottleneck, Finding } from '../findings/findings.ts'
import { GATEWAY } from './shop.ts'

/** What was planted in an endpoint, and how to see in the report whether it was found. */
export type PlantedTruth = {
  /** GATEWAY if not given. */
  service?: string
  operation: string
  planted: string
  /** What the report says. */
  found: (bottleneck: Bottleneck) => Found
}
export type Found = { text: string; ok: boolean }

/** Without it, the endpoint is at least this much faster at p95. */
const HOLDS_BACK = 0.5
/** ... and at most this much where something else takes its place. */
const MASKED = 0.1

const ms = (ns: number) => `${Math.round(ns / 1e6)} ms`

/** The component would save most at p95, and most of it. */
function holdsBack(kind: string, name: string) {
  return ({ components, observed }: Bottleneck): Found => {
    const leader = components[0]
    if (leader === undefined) return { text: 'no component', ok: false }
    const saved = 1 - leader.ifInstant.p95Ns / observed.p95Ns
    return {
      text: `${leader.kind} ${leader.name}: p95 ${ms(observed.p95Ns)} -> ${ms(leader.ifInstant.p95Ns)}`,
      ok: leader.kind === kind && leader.name === name && saved >= HOLDS_BACK,
    }
  }
}

/** The component has most of the critical path, and hardly anything would be won without it. */
function isMasked(kind: string, name: string) {
  return ({ components, observed }: Bottleneck): Found => {
    const widest = components.reduce((a, b) => (b.criticalShare > a.criticalShare ? b : a))
    const saved = 1 - widest.ifInstant.p95Ns / observed.p95Ns
    return {
      text: `${widest.name} has ${Math.round(100 * widest.criticalShare)} % of the path, without it p95 ${ms(observed.p95Ns)} -> ${ms(widest.ifInstant.p95Ns)}`,
      ok: widest.kind === kind && widest.name === name && widest.criticalShare >= 0.5 && saved <= MASKED,
    }
  }
}

/** There is a finding of that pattern, and its advice names what is to be changed. */
function findingOf(
  { components, findings }: Bottleneck,
  pattern: string,
  names: RegExp,
): Finding | undefined {
  const all = [...components.flatMap((component) => component.findings), ...findings]
  return all.find((one) => one.pattern === pattern && names.test(one.advice))
}

/** It saves some of the p95. */
function hasFinding(pattern: string, names: RegExp) {
  return (bottleneck: Bottleneck): Found => {
    const finding = findingOf(bottleneck, pattern, names)
    if (finding === undefined) return { text: `no finding ${pattern}`, ok: false }
    const { p95Ns } = finding.saved
    return { text: `${finding.title}: saves ${ms(p95Ns)} at p95; ${finding.advice}`, ok: p95Ns > 0 }
  }
}

/** Messages wait: that is before the consumer's latency, so nothing of that is saved. */
function hasBacklog(queue: string) {
  return (bottleneck: Bottleneck): Found => {
    const finding = findingOf(bottleneck, 'queue-backlog', /^messages wait/)
    return finding?.component.name === queue
      ? { text: `${finding.title}: ${finding.advice}`, ok: true }
      : { text: 'no finding queue-backlog', ok: false }
  }
}

export const ANSWER_KEY: readonly PlantedTruth[] = [
  {
    operation: 'GET /catalog/{sku}',
    planted: 'held back by the database postgresql/catalog',
    found: holdsBack('database', 'postgresql/catalog'),
  },
  {
    operation: 'POST /checkout',
    planted: 'held back by the external api.bank.example',
    found: holdsBack('external', 'api.bank.example'),
  },
  {
    operation: 'GET /home',
    planted: 'recommendations has most of the path, but adverts masks it: alone it saves almost nothing',
    found: isMasked('service', 'recommendations'),
  },
  {
    operation: 'GET /reports/daily',
    planted: 'slow in the own code of reports',
    found: holdsBack('service', 'reports'),
  },
  {
    operation: 'GET /orders/{id}/items',
    planted: 'an N+1: one query an item',
    found: hasFinding('n-plus-one', /orders GET .* runs SELECT item/),
  },
  {
    operation: 'POST /cart',
    planted: 'a third of the calls to pricing fail and are retried',
    found: hasFinding('retries', /pricing POST .quotes/),
  },
  {
    service: 'mailer',
    operation: 'newsletter',
    planted: 'a queue that falls behind: kafka/newsletter',
    found: hasBacklog('kafka/newsletter'),
  },
  {
    operation: 'GET /stock/{sku}',
    planted: 'one of three instances of inventory is slow',
    found: hasFinding('slow-instance', /inventory-3/),
  },
]

export type CheckedTruth = { operation: string; planted: string; found: string; ok: boolean }

/** The answer key beside a report (entries of traces). */
export function checkAnswerKey(bottlenecks: readonly Bottleneck[], key = ANSWER_KEY): CheckedTruth[] {
  return key.map(({ service = GATEWAY, operation, planted, found }) => {
    const bottleneck = bottlenecks.find(
      (b) => b.scope === 'trace' && b.service === service && b.operation === operation,
    )
    if (bottleneck === undefined)
      return { operation, planted, found: 'the endpoint is not in the report', ok: false }
    const { text, ok } = found(bottleneck)
    return { operation, planted, found: text, ok }
  })
}
