import { linkTo, type Route } from './route.ts'

const RANGES: readonly [string, string][] = [
  ['now-1h', 'last hour'],
  ['now-6h', '6 hours'],
  ['now-1d', 'day'],
  ['now-7d', '7 days'],
  ['now-30d', '30 days'],
]

/** Of when, and what the endpoints should keep; what the address has besides stays. */
export function RangeForm({ route: { view, query } }: { route: Route }) {
  const go = (change: Record<string, string>) => {
    location.hash = linkTo(view, { ...query, ...change })
  }
  const from = query.from ?? 'now-1h'
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        go({ target: String(new FormData(event.currentTarget).get('target')).trim() })
      }}
    >
      <select
        aria-label="Range"
        value={from}
        onChange={(event) => go({ from: event.currentTarget.value, to: '' })}
      >
        {RANGES.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
        {RANGES.every(([value]) => value !== from) && <option value={from}>{from}</option>}
      </select>
      {view === 'endpoint' && (
        <input
          name="target"
          aria-label="Target"
          placeholder="target, as p95<500ms"
          value={query.target ?? ''}
        />
      )}
    </form>
  )
}
