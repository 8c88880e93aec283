import type { Counts, Tally } from './doctor.ts'

/** `ok`; `warn`: answers are less exact than they could be; `bad`: some are wrong. */
export type Grade = 'ok' | 'warn' | 'bad'

export type Check = {
  /** One of CHECKS. */
  check: string
  grade: Grade
  /** What was found, in one sentence. */
  found: string
  /** A share from 0 to 1, or what `unit` says. */
  value: number
  unit: 'share' | 'ns' | 'count'
  /** From where on it is warned about, and bad. */
  warnAt: number
  badAt: number
  /** Where: the worst first. */
  where: { name: string; value: number }[]
  /** What to do about it; '' where there is nothing to do. */
  fix: string
}

export type Diagnosis = { spans: number; traces: number; grade: Grade; checks: Check[] }

/** Places named a check. */
const NAMED = 5
/** Fewer calls or spans than this say nothing about a service or a pair of them. */
const ENOUGH = 20
/** ... but a call whose times cannot be says much about two clocks. */
const ENOUGH_CALLS = 5
/** An instance's own clock jitter, and what half of an asymmetric transit looks like, ns. */
const SKEW_WARN_NS = 2e6
const SKEW_BAD_NS = 50e6

/** What the counts say about the input, and what to do about it. */
export function checksOf(counts: Counts): Check[] {
  const { orphans, detached, pairs, outside, unanswered, coverage, instances } = counts
  const { traces, rootless, rootlessTraces, otherNs, criticalNs, cappedNames, kept } = counts
  const share = (of: number, all: number) => (all === 0 ? 0 : of / all)
  const orphanCount = sum(orphans)
  const detachedCount = sum(detached)
  const lost = [...unanswered].filter(([, { of, all }]) => all >= ENOUGH && of >= 0.9 * all)
  const skews = [...pairs]
    .filter(([, offsets]) => offsets.length >= ENOUGH_CALLS)
    .map(([name, offsets]) => ({ name, value: median(offsets) }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
  const worst = skews[0] === undefined ? 0 : Math.abs(skews[0].value)
  return [
    check(
      { check: 'orphans', value: share(orphanCount.of, orphanCount.all), warnAt: 0.005, badAt: 0.05 },
      (v) => `${v} of the spans name a parent that is not there`,
      byShare(orphans),
      'Spans are lost or sampled apart: sample by trace (ParentBased), raise queue sizes of exporters, and let ' +
        'every service export to the same place.',
    ),
    check(
      { check: 'missing-roots', value: share(rootlessTraces, traces), warnAt: 0.01, badAt: 0.1 },
      (v) => `${v} of the traces have no root`,
      byShare(rootless),
      'What begins the trace is not instrumented or exports elsewhere: instrument it, or start traces at the first ' +
        'service that is (public endpoints should not continue the trace of a caller outside).',
    ),
    check(
      {
        check: 'sampling',
        value: share(Math.max(kept.onlyErrors, kept.onlySlow), kept.entries),
        warnAt: 0.01,
        badAt: 0.5,
      },
      (v) =>
        kept.floorNs > 0
          ? `${v} of the entries look kept for being slow: not one took less than ${textOf(kept.floorNs, 'ns')}`
          : `${v} of the entries are of endpoints of which only errors were kept`,
      kept.where,
      'Percentiles of these say nothing about the other requests. Let the tail sampling policy keep a share of all ' +
        'traces too (probabilistic), and let it write the share into tracestate (ot=th) so that they are weighted.',
    ),
    check(
      { check: 'propagation', value: lost.length, unit: 'count', warnAt: 1, badAt: 3 },
      (v) =>
        `${v} pair${lost.length === 1 ? '' : 's'} of services where the trace context of calls never arrives`,
      lost.map(([name, { all }]) => ({ name, value: all })),
      'The caller sends no traceparent, or the callee does not read it: use the same propagators (tracecontext) on ' +
        'both sides, instrument the HTTP or RPC client that makes these calls, and let proxies pass the header on.',
    ),
    check(
      { check: 'skew', value: worst, unit: 'ns', warnAt: SKEW_WARN_NS, badAt: SKEW_BAD_NS },
      (v) => `the clocks of two instances are up to ${v} apart`,
      skews.filter(({ value }) => Math.abs(value) >= SKEW_WARN_NS),
      'Let the hosts synchronize their clocks (chrony, NTP). Until then calls between them are moved to where they ' +
        'must have been, which is a guess of up to half the transit time.',
    ),
    check(
      { check: 'outside-parent', value: share(sum(outside).of, sum(outside).all), warnAt: 0.05, badAt: 0.3 },
      (v) => `${v} of the calls have a server span that reaches out of its client span`,
      byShare(outside),
      'Clocks that differ, or callers that stop waiting (timeouts): see skew; where there is none, look at timeouts.',
    ),
    check(
      { check: 'detached', value: share(detachedCount.of, detachedCount.all), warnAt: 0.05, badAt: 0.2 },
      (v) => `${v} of the spans outlive what started them: nobody waited`,
      byShare(detached),
      'Right for work in the background. Else the parent span is ended too early: end it when the work is done ' +
        '(await the promise, end it in the last callback).',
    ),
    check(
      { check: 'database-names', value: missing(coverage.database), warnAt: 0.05, badAt: 0.5 },
      (v) => `${v} of the database calls say neither db.namespace nor server.address`,
      byMissing(coverage.database),
      'Databases of one system are told apart by these: update the instrumentation of the driver, or set ' +
        'db.namespace in a span processor.',
    ),
    check(
      { check: 'messaging-names', value: missing(coverage.messaging), warnAt: 0.05, badAt: 0.5 },
      (v) => `${v} of the messages do not say messaging.system and messaging.destination.name`,
      byMissing(coverage.messaging),
      'Queues are told apart by these: update the instrumentation of the messaging client.',
    ),
    check(
      { check: 'http-names', value: missing(coverage.http), warnAt: 0.05, badAt: 0.5 },
      (v) => `${v} of the HTTP spans miss http.route (servers) or server.address (clients)`,
      byMissing(coverage.http),
      'Endpoints are named by the route, external services by the address: use the instrumentation of the ' +
        "framework's router, not only of the HTTP server; update that of the client.",
    ),
    check(
      { check: 'instances', value: missing(instances), warnAt: 0.5, badAt: 1.1 },
      (v) => `${v} of the spans do not say service.instance.id or host.name`,
      byMissing(instances),
      'Without it all instances of a service count as one clock, and a slow one is not told from the others: turn ' +
        'the resource detectors of the SDK on (host, container, k8s).',
    ),
    check(
      { check: 'capped-names', value: share(otherNs, criticalNs), warnAt: 0.02, badAt: 0.2 },
      (v) =>
        `${v} of the time counts as (other)${cappedNames > 0 ? `, and ${cappedNames} endpoint names do` : ''}`,
      [],
      'Too many components or endpoints to be told apart: span names or attributes hold ids. Name spans by route or ' +
        'statement summary.',
      cappedNames > 0 ? 'warn' : 'ok',
    ),
  ]
}

function check(
  of: { check: string; value: number; unit?: Check['unit']; warnAt: number; badAt: number },
  found: (value: string) => string,
  where: Check['where'],
  fix: string,
  atLeast: Grade = 'ok',
): Check {
  const { value, unit = 'share', warnAt, badAt } = of
  const own: Grade = value >= badAt ? 'bad' : value >= warnAt ? 'warn' : 'ok'
  const grade = own === 'ok' ? atLeast : own
  return {
    check: of.check,
    grade,
    found: found(textOf(value, unit)),
    value,
    unit,
    warnAt,
    badAt,
    where: grade === 'ok' ? [] : where.slice(0, NAMED),
    fix: grade === 'ok' ? '' : fix,
  }
}

/** `1.5 %`, `12 ms`, `3`. */
export function textOf(value: number, unit: Check['unit']): string {
  if (unit === 'count') return String(value)
  if (unit === 'ns') return `${Number((value / 1e6).toPrecision(3))} ms`
  const percent = 100 * value
  return `${percent === 0 || percent >= 10 ? Math.round(percent) : Number(percent.toPrecision(2))} %`
}

function sum(map: ReadonlyMap<string, Tally>): Tally {
  const total = { of: 0, all: 0 }
  for (const { of, all } of map.values()) {
    total.of += of
    total.all += all
  }
  return total
}

/** Share of those that are not `of`. */
function missing(map: ReadonlyMap<string, Tally>): number {
  const { of, all } = sum(map)
  return all === 0 ? 0 : 1 - of / all
}

function byShare(map: ReadonlyMap<string, Tally>): Check['where'] {
  return worstOf(map, ({ of, all }) => of / all)
}

function byMissing(map: ReadonlyMap<string, Tally>): Check['where'] {
  return worstOf(map, ({ of, all }) => 1 - of / all)
}

function worstOf(map: ReadonlyMap<string, Tally>, shareOf: (tally: Tally) => number): Check['where'] {
  return [...map]
    .filter(([, { all }]) => all >= ENOUGH)
    .map(([name, of]) => ({ name, value: shareOf(of) }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1]!
}
