import type { Logger } from 'pino'
import { mergeClocks } from '../analysis/clocks.ts'
import { createLearner } from '../analysis/learn.ts'
import { createModel, type Model, NO_MODEL } from '../analysis/model.ts'
import type { Structure } from '../analysis/structure.ts'
import { type PublishedModel, publishModel, readNewestModel } from '../store/models.ts'
import type { Store } from '../store/store.ts'
import type { SpanColumns } from '../trace/columns.ts'
import type { TraceGroups } from '../trace/group.ts'

/**
 * Learned anew after this long, ms, or when twice as many spans are known as the last time; the pause doubles each time,
 * because what runs for long is known by then, and every model stays in the store as long as results that name it.
 */
const FIRST_PAUSE_MS = 60_000
const LONGEST_PAUSE_MS = 3_600_000
/** A model in use is published anew before it could expire under results that name it. */
const RENEW_AFTER_MS = 86_400_000
/**
 * Of structures in a published model, as JSON; about 8,000 of them. Some instrumentation makes names without end, and a
 * model is read by whoever explains a result, which takes 100 ms a megabyte. What is left out obeys the rules for one trace.
 */
export const MOST_BYTES = 8_000_000

/** Dependencies that batches are analyzed with. */
export type DependencyModels = {
  /** Learns from the batch, and gives the model to analyze it with; number 0 without a model: nothing is known yet. */
  learn(spans: SpanColumns, groups: TraceGroups): Promise<{ number: number; model: Model | undefined }>
  /** `structuresDropped`: as often as one was left out of a model because there are too many. */
  counters: { published: number; structures: number; structuresDropped: number }
}

/**
 * Learns over all batches. What is analyzed is analyzed with a published, immutable model and records its number, so it
 * can be computed again. A structure that was learned earlier, here or by another analyzer, holds until these batches
 * show enough of it to learn it anew.
 */
export function createDependencyModels(store: Store, log: Logger, mostBytes = MOST_BYTES): DependencyModels {
  const learner = createLearner()
  const counters = { published: 0, structures: 0, structuresDropped: 0 }
  let batches = 0
  let batchesBefore = 0
  /** By signature of the newest model: how many batches there were by the publishing before which it was met last. */
  let metBy = new Map<number, number>()
  let current: PublishedModel | undefined
  let learnedMs = Number.NEGATIVE_INFINITY
  let pauseMs = FIRST_PAUSE_MS
  let spansKnown = 0
  let spansLearned = 0

  return {
    counters,
    async learn(spans, groups) {
      learner.add(spans, groups)
      batches++
      spansKnown += spans.count
      const nowMs = Date.now()
      const isDue = nowMs - learnedMs >= pauseMs
      if (isDue || spansKnown >= 2 * spansLearned) {
        await publishWhatChanged(nowMs)
        if (isDue && Number.isFinite(learnedMs)) pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
        learnedMs = nowMs
        spansLearned = spansKnown
      }
      return { number: current?.number ?? 0, model: current?.model }
    },
  }

  async function publishWhatChanged(nowMs: number): Promise<void> {
    const newest = await readNewestModel(store)
    if (newest !== undefined) current = newest
    const { structures, clocks } = current?.model ?? NO_MODEL
    const learned = learner.model()
    const model = createModel(
      bounded(new Map([...structures, ...learned.structures])),
      mergeClocks(clocks, learned.clocks),
    )
    counters.structures = model.structures.size
    if (model.version === NO_MODEL.version) return
    const changed = model.version !== current?.model.version
    if (!changed && current !== undefined && nowMs - current.publishedMs < RENEW_AFTER_MS) return
    current = await publishModel(store, model, current?.number ?? 0)
    counters.published++
    log.debug({ number: current.number, structures: model.structures.size }, 'dependencies published')
  }

  /**
   * Those met last, by publishings (an hour apart, once all is known); of those met equally lately, first the ones learned
   * from most families. What was not met since the process began comes last.
   */
  function bounded(structures: ReadonlyMap<number, Structure>): ReadonlyMap<number, Structure> {
    const met = (signature: number) =>
      learner.lastBatchOf(signature) > batchesBefore ? batches : (metBy.get(signature) ?? 0)
    const ranked = [...structures].map((entry) => {
      const [signature, { families }] = entry
      return { entry, signature, families, met: met(signature), bytes: JSON.stringify(entry).length + 1 }
    })
    ranked.sort((a, b) => b.met - a.met || b.families - a.families || a.signature - b.signature)
    let bytes = 0
    const kept = ranked.filter((one) => (bytes += one.bytes) <= mostBytes)
    metBy = new Map(kept.map(({ signature, met }) => [signature, met]))
    batchesBefore = batches
    counters.structuresDropped += ranked.length - kept.length
    return new Map(kept.map(({ entry }) => entry))
  }
}

/** The rules for one trace. */
export const SINGLE_TRACE: DependencyModels = {
  counters: { published: 0, structures: 0, structuresDropped: 0 },
  learn: () => Promise.resolve({ number: 0, model: undefined }),
}
