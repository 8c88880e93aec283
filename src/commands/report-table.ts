import type { Bottleneck, BottleneckComponent, Verdict } from '../analysis/bottlenecks.ts'
import type { Distribution } from '../analysis/ranked.ts'
import { meetsTarget, type Target } from '../analysis/target.ts'
import type { ExplainedBottleneck } from '../findings/findings.ts'
import { type ComponentKind, compareComponents, OTHER_COMPONENT } from '../trace/component.ts'
import { duration, percent } from '../trace/figure-text.ts'
import { doubtLines } from './report-doubts.ts'
import { findingLines } from './report-findings.ts'
import { maskedLines } from './report-masked.ts'
import { changeText, type Shown, shownFor, shownNs } from './report-statistic.ts'
import { componentLabel, fitted, printable } from './report-text.ts'
import { WIDTH } from './wrap.ts'

export type ReportOptions = {
  /** What the verdicts were given against. */
  target?: Target | undefined
  /** Components a table; those that would save most come first. */
  components?: number
}

/** Widths of the columns; the first takes what is left. */
const COLUMNS = { without: 11, saves: 7, share: 9, verdict: 18 }
const COMPONENT_WIDTH = WIDTH - 2 - Object.values(COLUMNS).reduce((a, b) => a + b)
const COMPONENTS = 5

/** What to look at first where such a component leads. */
const NEXT: Readonly<Record<ComponentKind, string>> = {
  database: 'look at its slowest and its most frequent statements',
  external: 'look at its answer times; call it less often, or beside other work',
  messaging: 'look at how long the broker takes to accept a message',
  network: 'look at connection pools, TLS handshakes and accept queues in between',
  queue: 'look at the number of consumers and the length of the queue',
  service: 'profile it: the time is its own work, not its calls',
}

/** ... and where those that are not told apart do. */
const NEXT_OF_OTHER = 'many components, each with little of the time: call fewer, or see doctor'

const CAVEAT =
  'Predicted for these requests, with load and queues as they were: a faster\n' +
  'component that others wait for as well can save more than this.\n'

/** The report for a terminal, 80 columns wide: a table an endpoint, in the order given. */
export function renderReport(
  bottlenecks: readonly ExplainedBottleneck[],
  options: ReportOptions = {},
): string {
  if (bottlenecks.length === 0) return 'no endpoints\n'
  return `${bottlenecks.map((bottleneck) => endpointText(bottleneck, options)).join('\n')}\n${CAVEAT}`
}

function endpointText(
  bottleneck: ExplainedBottleneck,
  { target, components = COMPONENTS }: ReportOptions,
): string {
  const { service, operation, scope, environment, namespace, entries, observed } = bottleneck
  const where = [environment, namespace].filter((part) => part !== '').join('/')
  const name = printable(`${service} ${operation}${where === '' ? '' : ` [${where}]`}`)
  const unit = scope === 'trace' ? 'request' : 'call'
  const shown = shownFor(target)
  const count = `${entries.toLocaleString('en')} ${unit}${entries === 1 ? '' : 's'}`
  const lines = [
    `${fitted(name, WIDTH - count.length - 2)}  ${count}`,
    `  p50 ${duration(observed.p50Ns)}, p95 ${duration(observed.p95Ns)}, p99 ${duration(observed.p99Ns)}${judged(bottleneck, target)}`,
    row('if it were infinitely fast', shown, 'saves', 'of time', 'verdict'),
    ...bottleneck.components
      .slice(0, components)
      .flatMap((component) => [
        componentRow(component, observed, shown),
        ...findingLines(component.findings),
      ]),
  ]
  const hidden = bottleneck.components.slice(components)
  if (hidden.length > 0) lines.push(`  ... and ${hidden.length} more`)
  lines.push(...findingLines([...hidden.flatMap(({ findings }) => findings), ...bottleneck.findings]))
  lines.push(
    ...next(bottleneck, target),
    ...doubtLines(bottleneck, heldBy(bottleneck), shown),
    ...maskedLines(bottleneck),
  )
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

function componentRow(component: BottleneckComponent, observed: Distribution, shown: Shown): string {
  const { criticalShare, verdict } = component
  const [beforeNs, withoutNs] = [shownNs(observed, shown), shownNs(component.ifInstant, shown)]
  const saved = beforeNs === 0 ? 0 : 1 - withoutNs / beforeNs
  return row(componentLabel(component), duration(withoutNs), percent(saved), percent(criticalShare), verdict)
}

function row(label: string, without: string, saves: string, share: string, verdict: string): string {
  return `  ${fitted(label, COMPONENT_WIDTH)}${without.padStart(COLUMNS.without)}${saves.padStart(COLUMNS.saves)}${share.padStart(COLUMNS.share)}  ${verdict}`
}

function judged({ observed, components }: Bottleneck, target: Target | undefined): string {
  if (target === undefined) return ''
  const text = `${target.statistic} ${target.inclusive ? '<=' : '<'} ${duration(target.limitNs)}`
  const shown = shownFor(target)
  // Of a percentile that is not told the verdicts say it; requests without any component took no time.
  const met =
    shown === target.statistic
      ? meetsTarget(shownNs(observed, shown), target)
      : components.every(({ verdict }) => verdict === 'target-met')
  return `; target ${text} ${met ? 'met' : 'missed'}`
}

/** The component that the endpoint is held back by. */
function heldBy({ components }: Bottleneck): BottleneckComponent | undefined {
  const of = (verdict: Verdict) => components.find((component) => component.verdict === verdict)
  return of('bottleneck') ?? of('leader')
}

/** One or two lines: what to do, or why there is nothing to do. */
function next(bottleneck: Bottleneck, target: Target | undefined): string[] {
  const { components, observed } = bottleneck
  const of = (verdict: Verdict) => components.find((component) => component.verdict === verdict)
  if (components.length === 0) return ['  next: nothing, no request took any time']
  if (of('target-met') !== undefined) return ['  next: nothing, the target is met']
  const shown = shownFor(target)
  const held = heldBy(bottleneck)
  if (held !== undefined) return advice(held, `without it ${changeText(observed, held.ifInstant, shown)}`)
  const contributor = of('contributor')
  if (contributor !== undefined) return advice(contributor, 'it is not enough alone')
  return [
    target === undefined
      ? '  next: no single component saves any of the p95; calls run beside each other'
      : bottleneck.pair === undefined
        ? '  next: no single component is enough; look at the mean of all of them'
        : '  next: no single component is enough, but two are',
  ]
}

function advice(component: BottleneckComponent, why: string): string[] {
  const isOther = compareComponents(component, OTHER_COMPONENT) === 0
  return [
    `  next: ${fitted(componentLabel(component), WIDTH - 10 - why.length).trimEnd()}: ${why}`,
    `        ${isOther ? NEXT_OF_OTHER : NEXT[component.kind]}`,
  ]
}
