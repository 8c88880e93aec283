import type { Logger } from 'pino'
import { createLearner } from '../analysis/learn.ts'
import { createModel, type Model } from '../analysis/model.ts'
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

/** Dependencies that batches are analyzed with. */
export type DependencyModels = {
  /** Learns from the batch, and gives the model to analyze it with; number 0 without a model: nothing is known yet. */
  learn(spans: SpanColumns, groups: TraceGroups): Promise<{ number: number; model: Model | undefined }>
  counters: { published: number; structures: number }
}

/**
 * Learns over all batches. What is analyzed is analyzed with a published, immutable model and records its number, so it
 * can be computed again. A structure that was learned earlier, here or by another analyzer, holds until these batches
 * show enough of it to learn it anew.
 */
export function createDependencyModels(store: Store, log: Logger): DependencyModels {
  const learner = createLearner()
  const counters = { published: 0, structures: 0 }
  let current: PublishedModel | undefined
  let learnedMs = Number.NEGATIVE_INFINITY
  let pauseMs = FIRST_PAUSE_MS
  let spansKnown = 0
  let spansLearned = 0

  return {
    counters,
    async learn(spans, groups) {
      learner.add(spans, groups)
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
    const known = current?.model.structures ?? []
    const model = createModel(new Map([...known, ...learner.model().structures]))
    counters.structures = model.structures.size
    if (model.structures.size === 0) return
    const changed = model.version !== current?.model.version
    if (!changed && current !== undefined && nowMs - current.publishedMs < RENEW_AFTER_MS) return
    current = await publishModel(store, model, current?.number ?? 0)
    counters.published++
    log.debug({ number: current.number, structures: model.structures.size }, 'dependencies published')
  }
}

/** The rules for one trace. */
export const SINGLE_TRACE: DependencyModels = {
  counters: { published: 0, structures: 0 },
  learn: () => Promise.resolve({ number: 0, model: undefined }),
}
