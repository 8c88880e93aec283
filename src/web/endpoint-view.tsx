import { useState } from 'preact/hooks'
import { duration, percent } from '../trace/figure-text.ts'
import { Shown, useAnswer } from './answer.tsx'
import type { Bottleneck, BottleneckComponent, Component } from './api.ts'
import { Bar, Label, PERCENTILES, type Percentile, Verdict } from './figures.tsx'
import { FindingList } from './finding-list.tsx'
import { FlameGraph } from './flame-graph.tsx'
import { linkTo, type Route, rangeOf } from './route.ts'
import { Timeline } from './timeline.tsx'
import { WhatIfPanel } from './what-if-panel.tsx'

/** One endpoint: each component's test, what explains it, when, and where in the code. */
export function EndpointView({ route }: { route: Route }) {
  const { target, ...range } = rangeOf(route)
  const { service, operation, scope = 'trace' } = route.query
  const asked = { ...range, service, operation, scope }
  const answer = useAnswer<{ bottlenecks: Bottleneck[] }>('bottlenecks', { ...asked, target })
  return (
    <>
      <h1>
        {service} <span class="operation">{operation}</span>
      </h1>
      <Shown of={answer}>
        {({ bottlenecks }) => {
          const [bottleneck] = bottlenecks
          if (bottleneck === undefined) return <p>No requests in this range.</p>
          return <Components bottleneck={bottleneck} target={target} asked={asked} />
        }}
      </Shown>
      <h2>Over time</h2>
      <Timeline asked={asked} />
      {scope === 'trace' && (
        <>
          <h2>Time on the critical path, by call stack</h2>
          <FlameGraph asked={{ ...range, service, operation }} />
        </>
      )}
    </>
  )
}

type Asked = Readonly<Record<string, string | undefined>>
type ComponentsProps = { bottleneck: Bottleneck; target: string | undefined; asked: Asked }

function Components({ bottleneck, target, asked }: ComponentsProps) {
  const [percentile, setPercentile] = useState<Percentile>('p95')
  const [chosen, setChosen] = useState<readonly Component[]>([])
  const { observed, components, findings, entries } = bottleneck
  return (
    <>
      <Headline bottleneck={bottleneck} target={target} />
      <nav class="scopes">
        {PERCENTILES.map((name) => (
          <button
            type="button"
            key={name}
            class={name === percentile ? 'here' : ''}
            onClick={() => setPercentile(name)}
          >
            {name} {duration(observed[`${name}Ns`])}
          </button>
        ))}
        <span class="quiet">of {entries} requests</span>
      </nav>
      <table>
        <thead>
          <tr>
            <th title="Try several together">What if</th>
            <th>Component</th>
            <th class="number">Of the time</th>
            <th class="number">{percentile} without it</th>
            <th class="number">Saves</th>
            <th class="wide">Now and left</th>
            <th>Verdict</th>
            <th>Traces</th>
          </tr>
        </thead>
        <tbody>
          {components.map((component) => (
            <ComponentRow
              key={`${component.kind}:${component.name}`}
              {...{ component, percentile, chosen, setChosen }}
              nowNs={observed[`${percentile}Ns`]}
            />
          ))}
        </tbody>
      </table>
      <WhatIfPanel chosen={chosen} asked={{ ...asked, target }} />
      <FindingList findings={[...components.flatMap((c) => c.findings), ...findings]} />
    </>
  )
}

/** The answer in one sentence. */
function Headline({ bottleneck, target }: { bottleneck: Bottleneck; target: string | undefined }) {
  const { components, observed, tie = [], pair, pairFigures } = bottleneck
  const [first] = components
  if (first === undefined) return null
  if (first.verdict === 'target-met') return <p class="headline">The target {target} is met.</p>
  const without = `p95 ${duration(observed.p95Ns)} → ${duration(first.ifInstant.p95Ns)}`
  const sure = first.p95Interval
  return (
    <p class="headline">
      {target === undefined
        ? ''
        : first.verdict === 'bottleneck'
          ? `The bottleneck for ${target}: `
          : `No single component meets ${target}. `}
      If <Label {...first} /> were infinitely fast: <b>{without}</b>{' '}
      {sure && (
        <span class="quiet">
          (95 %: {duration(sure[0])} to {duration(sure[1])})
        </span>
      )}
      {tie.length > 0 && (
        <span>
          . Cannot be told from{' '}
          {tie.map((component) => (
            <Label key={component.name} {...component} />
          ))}
        </span>
      )}
      {pair && pairFigures && (
        <span>
          . Together <Label {...pair[0]} /> and <Label {...pair[1]} /> suffice: p95{' '}
          {duration(pairFigures.ifInstant.p95Ns)}
        </span>
      )}
      .
    </p>
  )
}

type RowProps = {
  component: BottleneckComponent
  percentile: Percentile
  nowNs: number
  chosen: readonly Component[]
  setChosen: (chosen: readonly Component[]) => void
}

function ComponentRow({ component, percentile, nowNs, chosen, setChosen }: RowProps) {
  const { kind, name, exemplars } = component
  const withoutNs = component.ifInstant[`${percentile}Ns`]
  const isSame = (other: Component) => other.kind === kind && other.name === name
  const isChosen = chosen.some(isSame)
  const choose = () => setChosen(isChosen ? chosen.filter((c) => !isSame(c)) : [...chosen, { kind, name }])
  return (
    <tr>
      <td>
        <input type="checkbox" checked={isChosen} onChange={choose} aria-label={`What if without ${name}`} />
      </td>
      <td>
        <Label kind={kind} name={name} />
      </td>
      <td class="number">{percent(component.criticalShare)}</td>
      <td class="number">{duration(withoutNs)}</td>
      <td class="number">{nowNs === 0 ? '' : percent((nowNs - withoutNs) / nowNs)}</td>
      <td>
        <Bar {...{ nowNs, withoutNs, interval: component[`${percentile}Interval`] }} />
      </td>
      <td>
        <Verdict of={component.verdict} /> {component.uncertain && <span class="quiet">(just so)</span>}
      </td>
      <td>
        {exemplars.typical[0] && <a href={linkTo(`trace/${exemplars.typical[0]}`, {})}>typical</a>}{' '}
        {exemplars.worst[0] && <a href={linkTo(`trace/${exemplars.worst[0]}`, {})}>worst</a>}
      </td>
    </tr>
  )
}
