import type { Analysis } from '../../src/analysis/result.ts'
import { SERVICE } from '../../src/analysis/result.ts'
import { idHex, traceIdHex } from '../../src/trace/columns.ts'
import type { PlainEntry } from './object-per-span.ts'

/** @throws if path or replay of any entry differs between the two. Trace ids and span ids name entries. */
export function assertSameEntries(analysis: Analysis, entries: readonly PlainEntry[]): void {
  const { spans, traces, samples, segments, components } = analysis
  const { dictionary } = spans
  const nameOf = (component: number) => {
    const { kind, name } = dictionary.components[component]!
    return `${kind} ${name}`
  }
  const bySpan = new Map(entries.map((entry) => [`${entry.traceId} ${entry.span.id}`, entry]))
  let compared = 0
  for (let trace = 0; trace < traces.count; trace++) {
    for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
      if (samples.kind[s] === SERVICE) continue
      const row = samples.span[s]!
      const key = `${traceIdHex(spans, row)} ${idHex(spans.spanId, row)}`
      const ours: string[] = [`${samples.durationNs[s]}`]
      for (let i = samples.firstSegment[s]!; i < samples.firstSegment[s + 1]!; i++) {
        const id = idHex(spans.spanId, segments.span[i]!)
        ours.push(`${id} ${nameOf(segments.component[i]!)} ${segments.startNs[i]} ${segments.endNs[i]}`)
      }
      const plain = bySpan.get(key)
      for (let i = samples.firstComponent[s]!; i < samples.firstComponent[s + 1]!; i++) {
        const name = nameOf(components.component[i]!)
        // Beyond 64 components of an entry ours gives a bound.
        const theirs = plain?.components.get(name)?.savedNs
        const saved = components.bound[i] === 1 ? theirs : samples.durationNs[s]! - components.ifInstantNs[i]!
        ours.push(`${name} ${components.criticalNs[i]} ${saved}`)
      }
      const [mine, theirs] = [ours, linesOf(plain)].map((lines) => lines.sort())
      const at = mine!.findIndex((line, i) => line !== theirs![i])
      if (at >= 0 || mine!.length !== theirs!.length) {
        throw new Error(`${key}: here ${mine![at]}, there ${theirs![at]}`)
      }
      compared++
    }
  }
  if (compared !== entries.length) throw new Error(`${compared} entries here, ${entries.length} there`)
}

function linesOf(entry: PlainEntry | undefined): string[] {
  if (entry === undefined) return []
  return [
    `${entry.durationNs}`,
    ...entry.segments.map((s) => `${s.span.id} ${s.component} ${s.startNs} ${s.endNs}`),
    ...[...entry.components].map(([name, part]) => `${name} ${part.criticalNs} ${part.savedNs}`),
  ]
}
