import type { Bottleneck } from '../analysis/bottlenecks.ts'
import type { Model } from '../analysis/model.ts'
import { findPair, needsPair, type Pair } from '../analysis/pair.ts'
import type { Target } from '../analysis/target.ts'
import { chooseSamples, readReplayable } from '../store/replay-samples.ts'
import type { SampleFilter } from '../store/sample-filter.ts'
import type { Store } from '../store/store.ts'

/** Endpoints of an answer that a pair is looked for in, those that most time is spent in: each is replayed some times. */
export const PAIRS_AT_ONCE = 20

/** The endpoints with `pair`, where no single component lets them meet the target and two do. */
export async function withPairs<T extends Bottleneck>(
  store: Store,
  bottlenecks: readonly T[],
  target: Target | undefined,
  filter: SampleFilter,
  modelOf: (number: number) => Promise<Model | undefined>,
): Promise<(T & Partial<Pair>)[]> {
  if (target === undefined) return [...bottlenecks]
  const answered: (T & Partial<Pair>)[] = []
  const totalNs = ({ entries, observed }: T) => entries * observed.meanNs
  const wanted = bottlenecks.filter(needsPair).sort((a, b) => totalNs(b) - totalNs(a))
  const looked = new Set(wanted.slice(0, PAIRS_AT_ONCE))
  for (const bottleneck of bottlenecks) {
    let pair: Pair | undefined
    if (looked.has(bottleneck)) {
      const { environment, namespace, service, operation, scope } = bottleneck
      const [chosen] = await chooseSamples(store, {
        ...filter,
        environment,
        namespace,
        service,
        operation,
        scope,
      })
      const replayable = chosen === undefined ? undefined : await readReplayable(store, chosen, modelOf)
      pair = replayable === undefined ? undefined : findPair(replayable, target)
    }
    answered.push(pair === undefined ? bottleneck : { ...bottleneck, ...pair })
  }
  return answered
}
