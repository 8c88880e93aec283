import { duration, percent } from '../trace/figure-text.ts'
import { Shown, useAnswer } from './answer.tsx'
import type { Endpoint } from './api.ts'
import { Bar, Label, Verdict } from './figures.tsx'
import { linkTo, type Route, rangeOf } from './route.ts'

/** All endpoints, slowest first: how slow, and what would be left without the component that leads. */
export function EndpointsView({ route }: { route: Route }) {
  const range = rangeOf(route)
  const { target, ...asked } = range
  const scope = route.query.scope ?? 'trace'
  const answer = useAnswer<{ endpoints: Endpoint[]; total: number }>('endpoints', {
    ...asked,
    service: route.query.service,
    scope,
    limit: 1000,
  })
  return (
    <>
      <nav class="scopes">
        {[
          ['trace', 'Whole requests'],
          ['service', 'Services on their own'],
        ].map(([name, text]) => (
          <a
            key={name}
            class={name === scope ? 'here' : ''}
            href={linkTo('endpoints', { ...route.query, scope: name })}
          >
            {text}
          </a>
        ))}
      </nav>
      <Shown of={answer}>
        {({ endpoints }) =>
          endpoints.length === 0 ? <Nothing /> : <EndpointTable endpoints={endpoints} range={range} />
        }
      </Shown>
    </>
  )
}

function EndpointTable({ endpoints, range }: { endpoints: Endpoint[]; range: Record<string, string> }) {
  const slowestFirst = endpoints.toSorted((a, b) => b.p95Ns - a.p95Ns)
  return (
    <table>
      <thead>
        <tr>
          <th>Endpoint</th>
          <th class="number">Requests/s</th>
          <th class="number">Errors</th>
          <th class="number">p50</th>
          <th class="number">p95</th>
          <th class="number">p99</th>
          <th>If this were infinitely fast</th>
          <th class="number">p95 left</th>
          <th class="wide">What is left of its p95</th>
        </tr>
      </thead>
      <tbody>
        {slowestFirst.map((endpoint) => (
          <EndpointRow key={JSON.stringify(keyOf(endpoint))} {...{ endpoint, range }} />
        ))}
      </tbody>
    </table>
  )
}

function keyOf({ environment, namespace, service, operation, scope }: Endpoint) {
  return { environment, namespace, service, operation, scope }
}

type RowProps = { endpoint: Endpoint; range: Record<string, string> }

function EndpointRow({ endpoint, range }: RowProps) {
  const { leader, p95IntervalWithout: left, p95Ns, tie = [] } = endpoint
  const middleNs = left === null ? p95Ns : (left[0] + left[1]) / 2
  return (
    <tr>
      <td>
        <a href={linkTo('endpoint', { ...range, ...keyOf(endpoint) })}>
          <b>{endpoint.service}</b> {endpoint.operation}
        </a>{' '}
        <span class="quiet">{[endpoint.environment, endpoint.namespace].filter(Boolean).join('/')}</span>
      </td>
      <td class="number">{endpoint.ratePerSecond.toPrecision(2)}</td>
      <td class="number">{endpoint.errorShare === 0 ? '' : percent(endpoint.errorShare)}</td>
      <td class="number">{duration(endpoint.p50Ns)}</td>
      <td class="number">{duration(p95Ns)}</td>
      <td class="number">{duration(endpoint.p99Ns)}</td>
      <td>
        {leader && <Label {...leader} />}{' '}
        {tie.length > 0 && <span class="quiet">or one of {tie.length} more</span>}{' '}
        {endpoint.verdict !== 'leader' && <Verdict of={endpoint.verdict} />}
      </td>
      <td class="number">{left === null ? 'too few' : duration(middleNs)}</td>
      <td>
        <Bar nowNs={p95Ns} withoutNs={middleNs} interval={left} />
      </td>
    </tr>
  )
}

function Nothing() {
  return (
    <div class="nothing">
      <p>No requests were analyzed in this range.</p>
      <p>
        Point an exporter at this service (<code>OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317</code>),
        ask for more time above, or look at <a href="api/v1/doctor">what the traces lack</a>.
      </p>
    </div>
  )
}
