import { duration } from '../trace/figure-text.ts'
import type { Finding } from './api.ts'
import { linkTo } from './route.ts'

/** Known mistakes, those that save most first. */
export function FindingList({ findings }: { findings: readonly Finding[] }) {
  if (findings.length === 0) return null
  return (
    <ul class="findings">
      {findings
        .toSorted((a, b) => b.saved.p95Ns - a.saved.p95Ns)
        .map((finding) => (
          <li key={JSON.stringify([finding.pattern, finding.component, finding.code, finding.operation])}>
            <b>{finding.title}</b> <span class="quiet">saves {duration(finding.saved.p95Ns)} at p95</span>
            <p>
              {finding.advice}{' '}
              {finding.exemplars[0] && <a href={linkTo(`trace/${finding.exemplars[0]}`, {})}>a trace</a>}{' '}
              {finding.unproven && (
                <span class="quiet">Holds only if no call needs the answer of one before it.</span>
              )}
            </p>
          </li>
        ))}
    </ul>
  )
}
