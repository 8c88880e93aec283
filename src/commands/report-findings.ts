import type { Finding } from '../findings/findings.ts'
import { PATTERNS } from '../findings/patterns.ts'
import { duration } from '../trace/figure-text.ts'
import { printable } from './report-text.ts'
import { wrapped } from './wrap.ts'

/** Findings a component that are told in full; those that would save most come first. */
const IN_FULL = 3
/** ... and others that are told in short. */
const IN_SHORT = 5
const INDENT = 6

const COSTS_NO_LATENCY = new Set(PATTERNS.flatMap(({ id, costsNoLatency }) => (costsNoLatency ? [id] : [])))

/**
 * What is wrong, what fixing it would save, how many samples show it and one that does; indented under the component.
 * What saves nothing at p95 or p99 although latency is what it costs, and what is beyond the first few, is told in short.
 */
export function findingLines(findings: readonly Finding[]): string[] {
  const full = findings
    .filter((finding) => saves(finding) || COSTS_NO_LATENCY.has(finding.pattern))
    .slice(0, IN_FULL)
  const short = findings.filter((finding) => !full.includes(finding))
  const hidden = short.slice(IN_SHORT)
  return [
    ...full.flatMap(fullLines),
    ...short.slice(0, IN_SHORT).flatMap(shortLines),
    ...(hidden.length === 0 ? [] : [`    - ${hidden.length} more`]),
  ]
}

function fullLines(finding: Finding): string[] {
  const proof = finding.unproven ? ', if none needs another' : ''
  const saving = saves(finding) ? `, ${savesText(finding)}${proof}` : ''
  const text = `${finding.title}${saving}: ${printable(finding.advice)}`
  return [...wrapped(text, '    - ', INDENT), ...wrapped(seenText(finding), ' '.repeat(INDENT), INDENT)]
}

function shortLines(finding: Finding): string[] {
  const [exemplar] = finding.exemplars
  const where = exemplar === undefined ? '' : ` (${printable(exemplar)})`
  return wrapped(`${finding.title}: ${savesText(finding)}; ${countText(finding)}${where}`, '    - ', INDENT)
}

function saves({ saved }: Finding): boolean {
  return saved.p95Ns > 0 || saved.p99Ns > 0
}

function savesText({ saved }: Finding): string {
  if (saved.p95Ns > 0) return `saves ${duration(saved.p95Ns)} at p95`
  return saved.p99Ns > 0 ? `saves ${duration(saved.p99Ns)} at p99` : 'saves 0'
}

/** `12 of 300 requests, as in 0af7651916cd43dd8448eb211c80319c` */
function seenText(finding: Finding): string {
  const { scope, entries, exemplars } = finding
  const unit = `${scope === 'trace' ? 'request' : 'call'}${entries === 1 ? '' : 's'}`
  const where = exemplars.length === 0 ? '' : `, as in ${printable(exemplars[0]!)}`
  return `${countText(finding)} ${unit}${where}`
}

function countText({ samples, entries }: Finding): string {
  return `${samples.toLocaleString('en')} of ${entries.toLocaleString('en')}`
}
