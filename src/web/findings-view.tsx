import { Shown, useAnswer } from './answer.tsx'
import type { Finding } from './api.ts'
import { FindingList } from './finding-list.tsx'
import { linkTo, type Route, rangeOf } from './route.ts'

/** Known mistakes of all endpoints, an endpoint a heading, those that save most first. */
export function FindingsView({ route }: { route: Route }) {
  const { target, ...range } = rangeOf(route)
  const answer = useAnswer<{ findings: Finding[]; total: number }>('findings', {
    ...range,
    scope: 'trace',
    limit: 200,
  })
  return (
    <Shown of={answer}>
      {({ findings, total }) => {
        if (total === 0) return <p>No known mistake was found in this range.</p>
        const byEndpoint = Map.groupBy(findings, endpointOf)
        return [...byEndpoint].map(([key, found]) => (
          <section key={key}>
            <h2>
              <a href={linkTo('endpoint', { ...range, target, ...JSON.parse(key) })}>
                {found[0]?.service} <span class="operation">{found[0]?.operation}</span>
              </a>
            </h2>
            <FindingList findings={found} />
          </section>
        ))
      }}
    </Shown>
  )
}

function endpointOf({ environment, namespace, service, operation, scope }: Finding): string {
  return JSON.stringify({ environment, namespace, service, operation, scope })
}
