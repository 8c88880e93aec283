import { useState } from 'preact/hooks'
import { duration, percent } from '../trace/figure-text.ts'
import { Shown, useAnswer } from './answer.tsx'
import type { Trace } from './api.ts'
import { Bar, Label } from './figures.tsx'
import { type Row, rowsOf } from './waterfall.ts'

/** One trace: its spans, which of their time was waited for, and what it would take without each component. */
export function TraceView({ traceId }: { traceId: string }) {
  const answer = useAnswer<Trace>(`traces/${encodeURIComponent(traceId)}`)
  return (
    <>
      <h1>
        Trace <code>{traceId}</code>
      </h1>
      <Shown of={answer}>{(trace) => <Entries trace={trace} />}</Shown>
    </>
  )
}

type Entry = Trace['entries'][number]

function Entries({ trace }: { trace: Trace }) {
  const [chosen, choose] = useState(0)
  const entry = trace.entries[chosen]
  return (
    <>
      {trace.entries.length > 1 && (
        <nav class="scopes">
          {trace.entries.map(({ service, operation, kind, spanId }, i) => (
            <button type="button" key={spanId} class={i === chosen ? 'here' : ''} onClick={() => choose(i)}>
              {service} {operation} ({kind})
            </button>
          ))}
        </nav>
      )}
      {entry && <EntryComponents entry={entry} />}
      <Waterfall trace={trace} entry={entry} />
      <Repairs repairs={trace.repairs} />
    </>
  )
}

function EntryComponents({ entry }: { entry: Entry }) {
  const { durationNs } = entry
  return (
    <table>
      <thead>
        <tr>
          <th>Component</th>
          <th class="number">On the critical path</th>
          <th class="number">Request without it</th>
          <th class="wide">Now and left, of {duration(durationNs)}</th>
        </tr>
      </thead>
      <tbody>
        {entry.components.map(({ kind, name, criticalNs, ifInstantNs }) => (
          <tr key={`${kind}:${name}`}>
            <td>
              <Label kind={kind} name={name} />
            </td>
            <td class="number">
              {duration(criticalNs)} <span class="quiet">{percent(criticalNs / (durationNs || 1))}</span>
            </td>
            <td class="number">{duration(ifInstantNs)}</td>
            <td>
              <Bar nowNs={durationNs} withoutNs={ifInstantNs} interval={null} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** More rows than this are slow to draw. */
const MOST_ROWS = 2000

function Waterfall({ trace, entry }: { trace: Trace; entry: Entry | undefined }) {
  const [opened, open] = useState<string>()
  const rows = rowsOf(trace.spans)
  const fullNs = rows.reduce((most, { startNs, span }) => Math.max(most, startNs + span.durationNs), 1)
  const entryRow = rows.find(({ span }) => span.spanId === entry?.spanId)
  const segments = Map.groupBy(entry?.criticalPath ?? [], ({ spanId }) => spanId)
  return (
    <>
      <h2>Spans; what was waited for is coloured</h2>
      <table class="waterfall">
        <tbody>
          {rows.slice(0, MOST_ROWS).flatMap((row) => [
            <tr
              key={row.span.spanId}
              onClick={() => open(opened === row.span.spanId ? undefined : row.span.spanId)}
            >
              <td style={{ paddingLeft: `${Math.min(row.depth, 24) * 12}px` }}>
                <b>{row.span.service}</b> {row.span.operation}{' '}
                {row.span.status === 'Error' && <span class="error">error</span>}
              </td>
              <td class="number">{duration(row.span.durationNs)}</td>
              <td>
                <SpanBar
                  row={row}
                  fullNs={fullNs}
                  fromNs={entryRow?.startNs ?? 0}
                  segments={segments.get(row.span.spanId) ?? []}
                />
              </td>
            </tr>,
            opened === row.span.spanId && <Attributes key={`${row.span.spanId}+`} row={row} />,
          ])}
        </tbody>
      </table>
      {rows.length > MOST_ROWS && <p class="quiet">and {rows.length - MOST_ROWS} spans more</p>}
    </>
  )
}

type SpanBarProps = { row: Row; fullNs: number; fromNs: number; segments: Entry['criticalPath'] }

function SpanBar({ row, fullNs, fromNs, segments }: SpanBarProps) {
  const share = (ns: number) => `${((100 * ns) / fullNs).toFixed(3)}%`
  return (
    <svg class="span-bar" role="img" aria-label={`from ${duration(row.startNs)}`}>
      <rect class="span" x={share(row.startNs)} width={share(row.span.durationNs)} y="30%" height="40%" />
      {segments.map(({ startNs, endNs, component }) => (
        <rect
          key={startNs}
          class={`segment ${component.kind}`}
          x={share(fromNs + startNs)}
          width={share(endNs - startNs)}
          height="100%"
        >
          <title>{`${component.kind} ${component.name}: ${duration(endNs - startNs)}`}</title>
        </rect>
      ))}
    </svg>
  )
}

function Attributes({ row: { span } }: { row: Row }) {
  const all = {
    ...span.resource,
    ...span.attributes,
    ...(span.statusMessage ? { status: span.statusMessage } : {}),
  }
  return (
    <tr class="attributes">
      <td colSpan={3}>
        <dl>
          {Object.entries({ kind: span.kind, 'span id': span.spanId, ...all }).map(([name, value]) => [
            <dt key={name}>{name}</dt>,
            <dd key={`${name}=`}>{value}</dd>,
          ])}
        </dl>
      </td>
    </tr>
  )
}

function Repairs({ repairs }: { repairs: Trace['repairs'] }) {
  if (repairs.length === 0) return null
  const byKind = Map.groupBy(repairs, ({ kind }) => kind)
  return (
    <p class="quiet">
      Repaired: {[...byKind].map(([kind, all]) => `${all.length} ${kind}`).join(', ')}. Bars are as recorded.
    </p>
  )
}
