import type { EntryJson } from '../analysis/report-json.ts'
import { traceJson } from '../analysis/report-json.ts'
import type { Analysis } from '../analysis/result.ts'

const WIDTH = 80
/** Lines of a critical path: of longer ones, the segments that take longest. */
const PATH_LINES = 12
const ENTRIES = 3

/** `412 ns`, `1.5 ms`, `12 s`: three digits are enough to compare. */
export function durationText(ns: number): string {
  const units: [string, number][] = [
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
  ]
  const [unit, scale] = units.find(([, size]) => Math.abs(ns) >= size) ?? ['ns', 1]
  return `${Number((ns / scale).toPrecision(3))} ${unit}`
}

/** Critical path of a trace's first entries, for a terminal. */
export function traceText(analysis: Analysis, trace: number): string {
  const { traceId, spanCount, repairs, entries } = traceJson(analysis, trace)
  const counts = new Map<string, number>()
  for (const { kind } of repairs) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  const repaired = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')
  const lines = [`trace ${traceId}: ${spanCount} spans${repaired === '' ? '' : `; repaired: ${repaired}`}`]
  for (const entry of entries.slice(0, ENTRIES)) lines.push(...entryLines(entry))
  if (entries.length > ENTRIES)
    lines.push(`  ... and ${entries.length - ENTRIES} more entries (--json has all)`)
  return `${lines.flatMap(wrapped).join('\n')}\n`
}

function entryLines(entry: EntryJson): string[] {
  const { service, operation, durationNs, queueWaitNs, criticalPath } = entry
  const waited = queueWaitNs > 0 ? `, after ${durationText(queueWaitNs)} in the queue` : ''
  const lines = [`  ${service} ${operation}: ${durationText(durationNs)}${waited}`]
  const longest = [...criticalPath].sort((a, b) => b.endNs - b.startNs - (a.endNs - a.startNs))
  const shown = new Set(longest.slice(0, PATH_LINES))
  for (const segment of criticalPath) {
    if (!shown.has(segment)) continue
    const lengthNs = segment.endNs - segment.startNs
    const from = durationText(segment.startNs).padStart(10)
    const share = `${Math.round((100 * lengthNs) / Math.max(durationNs, 1))} %`.padStart(6)
    const { kind, name } = segment.component
    lines.push(`  at${from} +${durationText(lengthNs).padStart(9)}${share}  ${kind} ${name}`)
  }
  const hidden = criticalPath.length - shown.size
  if (hidden > 0) lines.push(`  ... and ${hidden} shorter segments`)
  return lines
}

/** Long names are cut: a line stays a line. */
function wrapped(line: string): string {
  return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 3)}...`
}
