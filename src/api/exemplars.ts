import { histogramQuantile } from '../analysis/histogram.ts'
import {
  type ComponentRollup,
  type Exemplar,
  meanSavingNs,
  pickExemplars,
  type Rollup,
} from '../analysis/rollup.ts'
import type { Retention } from '../analysis/steps.ts'

/** Trace ids given for each. */
const EXEMPLARS = 3

export type Exemplars = { typical: string[]; worst: string[] }

/** Of an endpoint: traces next to the median, and the slowest. */
export function endpointExemplars(rollup: Rollup, retention: Retention): Exemplars {
  return keptExemplars(rollup.exemplars, histogramQuantile(rollup.observed, rollup.weight, 0.5), retention)
}

/** Of a component: traces where it saves about as much as usual where it is present, and most. */
export function componentExemplars(part: ComponentRollup, retention: Retention): Exemplars {
  return keptExemplars(part.exemplars, meanSavingNs(part), retention)
}

/** Of some exemplars, those to show: only traces whose spans are still there. */
export function keptExemplars(
  exemplars: readonly Exemplar[],
  typicalNs: number,
  { days }: Retention,
): Exemplars {
  const keptFrom = Date.now() / 1000 - 86_400 * days
  const kept = pickExemplars(
    exemplars.filter(({ seconds }) => seconds >= keptFrom),
    typicalNs,
    EXEMPLARS,
  )
  const ids = (worst: boolean) => kept.filter((exemplar) => exemplar.worst === worst).map(traceIdOf)
  return { typical: ids(false), worst: ids(true) }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** By a table: an answer has thousands of ids, and numbers beyond 2^31 are slow to write. */
function traceIdOf({ id }: Exemplar): string {
  let text = ''
  for (const word of id) {
    text += HEX[word >>> 24]! + HEX[(word >>> 16) & 255]! + HEX[(word >>> 8) & 255]! + HEX[word & 255]!
  }
  return text
}
