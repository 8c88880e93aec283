import type { EntryJson } from '../analysis/report-json.ts'
import { traceJson } from '../analysis/report-json.ts'
import type { Analysis } from '../analysis/result.ts'
import { duration } from '../trace/figure-text.ts'
import { componentLabel, printable } from './report-text.ts'
import { charactersOf, columnsOf, headOf } from './text-width.ts'
import { WIDTH } from './wrap.ts'

/** Lines of a critical path: of longer ones, the segments that take longest. */
const PATH_LINES = 12
const ENTRIES = 3

/** Critical path of a trace's first entries, for a terminal. */
export function traceText(analysis: Analysis, trace: number): string {
  const { traceId, spanCount, repairs, entries } = traceJson(analysis, trace)
  const counts = new Map<string, number>()
  for (const { kind } of repairs) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const repaired = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
  const lines = [
    `trace ${traceId}: ${spanCount} ${spanCount === 1 ? 'span' : 'spans'}${repaired === '' ? '' : `; repaired: ${repaired}`}`,
  ]
  for (const entry of entries.slice(0, ENTRIES)) lines.push(...entryLines(entry))
  if (entries.length > ENTRIES)
    lines.push(`  ... and ${entries.length - ENTRIES} more entries (--json has all)`)
  return `${lines.map(cutToWidth).join('\n')}\n`
}

function entryLines(entry: EntryJson): string[] {
  const { service, operation, durationNs, queueWaitNs, criticalPath } = entry
  const waited = queueWaitNs > 0 ? `, after ${duration(queueWaitNs)} in the queue` : ''
  const lines = [`  ${printable(`${service} ${operation}`)}: ${duration(durationNs)}${waited}`]
  const longest = [...criticalPath].sort((a, b) => b.endNs - b.startNs - (a.endNs - a.startNs))
  const shown = new Set(longest.slice(0, PATH_LINES))
  for (const segment of criticalPath) {
    if (!shown.has(segment)) continue
    const lengthNs = segment.endNs - segment.startNs
    const from = duration(segment.startNs).padStart(10)
    const share = `${Math.round((100 * lengthNs) / Math.max(durationNs, 1))} %`.padStart(6)
    lines.push(`  at${from} +${duration(lengthNs).padStart(9)}${share}  ${componentLabel(segment.component)}`)
  }
  const hidden = criticalPath.length - shown.size
  if (hidden > 0) lines.push(`  ... and ${hidden} shorter segments`)
  return lines
}

/** Long names are cut: a line stays a line. */
function cutToWidth(line: string): string {
  return columnsOf(line) <= WIDTH ? line : `${headOf(charactersOf(line), WIDTH - 3).join('')}...`
}
