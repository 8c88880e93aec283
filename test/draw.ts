import { analyzeSpans } from '../src/analysis/analyze.ts'
import { type TraceJson, traceJson } from '../src/analysis/report-json.ts'
import { appendSpan, createColumns, type SpanColumns } from '../src/trace/columns.ts'
import { detailKeyFrom, figuresFrom } from '../src/trace/detail.ts'
import { createDictionary } from '../src/trace/dictionary.ts'
import { type AttributeMap, shapeFieldsFrom, shapeKeyOf } from '../src/trace/shape.ts'

/** A column of the drawing is one microsecond, unless told otherwise. */
const COLUMN_NS = 1000n
/** No whole millisecond, so that drawings do not meet the rule for millisecond clocks by accident. */
const EPOCH_NS = 1_767_225_600_000_000_500n

export type Details = {
  parent?: string
  service?: string
  /** Span name; the label if not given. */
  name?: string
  kind?: string
  error?: boolean
  /** Another span's label: they share an id. */
  id?: string
  attributes?: AttributeMap
  resource?: AttributeMap
}

/**
 * A trace from a picture: a line a span, its label, then its bar; `|` is a span of no length. The parent is the
 * nearest line above that is indented less; details by label say the rest (service, kind, another parent, ...).
 *
 *     A  ==========
 *      B   ====
 *       C   ==
 *      D       ==
 */
export function draw(
  picture: string,
  details: Record<string, Details> = {},
  options: { columnNs?: bigint; epochNs?: bigint; shuffle?: boolean } = {},
): SpanColumns {
  const lines = picture.split('\n').filter((line) => line.trim() !== '')
  const margin = Math.min(...lines.map((line) => line.search(/\S/)))
  const columnNs = options.columnNs ?? COLUMN_NS
  const epochNs = options.epochNs ?? EPOCH_NS
  const above: { label: string; indent: number }[] = []
  const spans = lines.map((line) => {
    const match = /^( *)(\S+)( +)(=+|\|)\s*$/.exec(line.slice(margin))
    if (match === null) throw new SyntaxError(`not a drawn span: ${JSON.stringify(line)}`)
    const [, indent = '', label = '', gap = '', bar = ''] = match
    while (above.length > 0 && above.at(-1)!.indent >= indent.length) above.pop()
    const parent = details[label]?.parent ?? above.at(-1)?.label ?? ''
    above.push({ label, indent: indent.length })
    const from = BigInt(indent.length + label.length + gap.length)
    return { label, parent, from, to: bar === '|' ? from : from + BigInt(bar.length) }
  })
  const origin = spans[0]!.from
  const idOf = (label: string) => idFromLabel(details[label]?.id ?? label)
  const columns = createColumns(createDictionary())
  const order = options.shuffle ? [...spans].reverse() : spans
  for (const { label, parent, from, to } of order) {
    const about = details[label] ?? {}
    const resource = { 'service.name': about.service ?? 's', ...about.resource }
    appendSpan(columns, {
      traceId: '1',
      spanId: idOf(label),
      parentSpanId: parent === '' ? '' : idOf(parent),
      startNs: epochNs + (from - origin) * columnNs,
      endNs: epochNs + (to - origin) * columnNs,
      status: about.error ? 2 : 0,
      detailKey: detailKeyFrom(about.kind ?? 'INTERNAL', about.attributes ?? {}),
      figures: figuresFrom(about.attributes ?? {}),
      shapeKey: shapeKeyOf(
        shapeFieldsFrom(about.kind ?? 'INTERNAL', about.name ?? label, resource, about.attributes ?? {}),
      ),
    })
  }
  return columns
}

/** Labels are ids: their letters as hex, so that ids sort as labels of one length do. */
function idFromLabel(label: string): string {
  return Buffer.from(label).toString('hex').padStart(16, '0')
}

export function labelOf(spanId: string): string {
  return Buffer.from(spanId.replace(/^(00)+/, ''), 'hex').toString()
}

export function analyzed(columns: SpanColumns): TraceJson {
  return traceJson(analyzeSpans(columns), 0)
}

/** The primary entry's critical path, `A2 B4 A1`: label and length in columns of the drawing. */
export function pathOf(columns: SpanColumns, entry = 0): string {
  return analyzed(columns)
    .entries[entry]!.criticalPath.map(
      (s) => `${labelOf(s.spanId)}${(s.endNs - s.startNs) / Number(COLUMN_NS)}`,
    )
    .join(' ')
}

/** `clamped B, trimmed C`, or `skew-shifted B+3` with the shift in columns. */
export function repairsOf(columns: SpanColumns): string {
  return analyzed(columns)
    .repairs.map(({ kind, spanId, shiftNs }) => {
      const shift = shiftNs === undefined ? '' : `${shiftNs < 0 ? '' : '+'}${shiftNs / Number(COLUMN_NS)}`
      return `${kind} ${labelOf(spanId)}${shift}`
    })
    .join(', ')
}

/** `database postgresql: 4 -> 6`: critical time and what the entry would take without it, in columns. */
export function componentsOf(columns: SpanColumns, entry = 0): string[] {
  return analyzed(columns).entries[entry]!.components.map(
    (c) => `${c.kind} ${c.name}: ${c.criticalNs / Number(COLUMN_NS)} -> ${c.ifInstantNs / Number(COLUMN_NS)}`,
  )
}
