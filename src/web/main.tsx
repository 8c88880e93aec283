import { render } from 'preact'
import { EndpointView } from './endpoint-view.tsx'
import { EndpointsView } from './endpoints-view.tsx'
import { FindingsView } from './findings-view.tsx'
import { RangeForm } from './range-form.tsx'
import { linkTo, rangeOf, useRoute } from './route.ts'
import './style.css'
import { TraceView } from './trace-view.tsx'

const TRACE = 'trace/'

function Page() {
  const route = useRoute()
  const { view } = route
  return (
    <>
      <header>
        <a class="name" href={linkTo('endpoints', rangeOf(route))}>
          Longpole
        </a>
        <a class={view === 'endpoints' ? 'here' : ''} href={linkTo('endpoints', rangeOf(route))}>
          Endpoints
        </a>
        <a class={view === 'findings' ? 'here' : ''} href={linkTo('findings', rangeOf(route))}>
          Findings
        </a>
        {!view.startsWith(TRACE) && <RangeForm route={route} />}
      </header>
      <main>
        {view.startsWith(TRACE) ? (
          <TraceView traceId={view.slice(TRACE.length)} />
        ) : view === 'endpoint' ? (
          <EndpointView route={route} />
        ) : view === 'findings' ? (
          <FindingsView route={route} />
        ) : (
          <EndpointsView route={route} />
        )}
      </main>
      <footer>
        What is predicted is the same requests with load and queues as they were.{' '}
        <a href="openapi.json">API</a> <a href="licenses.txt">Licenses</a>
      </footer>
    </>
  )
}

render(<Page />, document.getElementById('page')!)
