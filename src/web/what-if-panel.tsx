import { duration } from '../trace/figure-text.ts'
import { Shown, useAnswer } from './answer.tsx'
import type { Component, WhatIf } from './api.ts'

type Props = { chosen: readonly Component[]; asked: Readonly<Record<string, string | undefined>> }

/** All chosen components at once, ever faster: replayed, not added up. */
export function WhatIfPanel({ chosen, asked }: Props) {
  const components = chosen.map(({ kind, name }) => ({ kind, name, factor: 0 }))
  const body = { ...asked, components, limit: 1 }
  const answer = useAnswer<{ whatIf: WhatIf[] }>(chosen.length === 0 ? null : 'what-if', {}, body)
  if (chosen.length === 0) return null
  return (
    <Shown of={answer}>
      {({ whatIf: [first] }) =>
        first === undefined ? null : (
          <table class="what-if">
            <caption>
              {chosen.map(({ name }) => name).join(' and ')} together, by replay of {first.replayed} requests
            </caption>
            <tbody>
              {first.sweep.map(({ speed, p50Ns, p95Ns, p99Ns, savedMoreP95Ns }) => (
                <tr key={speed}>
                  <th>{speed}</th>
                  <td class="number">p50 {duration(p50Ns)}</td>
                  <td class="number">
                    <b>p95 {duration(p95Ns)}</b>
                  </td>
                  <td class="number">p99 {duration(p99Ns)}</td>
                  <td class="quiet">{savedMoreP95Ns > 0 && `saves ${duration(savedMoreP95Ns)} more`}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )
      }
    </Shown>
  )
}
