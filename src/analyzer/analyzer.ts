import type { Logger } from 'pino'
import { analyzeSpans } from '../analysis/analyze.ts'
import type { Analysis } from '../analysis/result.ts'
import { createDetector } from '../findings/detect.ts'
import type { FindingLimits } from '../findings/settings.ts'
import {
  countBlocks,
  countStored,
  listTorn,
  listWaiting,
  readClock,
  readLastVersion,
  readOperations,
  readSampleKeys,
  readState,
  readStored,
  readTraces,
  type WaitingTrace,
  writeState,
} from '../store/analyzer-store.ts'
import { tracesBlock } from '../store/results.ts'
import { samplesBlock } from '../store/samples-block.ts'
import { SLOWEST_INSERT_MS, type Store } from '../store/store.ts'
import type { SpanColumns } from '../trace/columns.ts'
import { createDictionary, isFull } from '../trace/dictionary.ts'
import { type AnalyzerCounters, countAnalysis, createCounters } from './counters.ts'
import { createDependencyModels, SINGLE_TRACE } from './dependency-models.ts'
import { createEndpointNames, type EndpointNames } from './endpoint-names.ts'
import { createInOrder } from './in-order.ts'
import { firstStored, planReads, ROWS_AT_ONCE, rowsOf, sliceById } from './reads.ts'
import { createRollupSchedule } from './rollup-schedule.ts'
import { type Batch, batchOf, rowsIn } from './rows.ts'
import { createWaitingTraces } from './waiting.ts'

/** Spans that become visible so long after the time they were stored at are found. */
export const OVERLAP_MS = SLOWEST_INSERT_MS + 15_000
/** Rows looked through at once when there is a backlog. */
const BACKLOG_ROWS = 2_000_000
/** Spans of one trace that are analyzed. */
export const LARGEST_TRACE = 1_000_000
/** Pause between cycles. */
const CYCLE_MS = 1000
/** Batches whose results are being stored, or wait for that, while the next one is analyzed. */
const WRITES_AT_ONCE = 2
/** So long what was asked for takes to leave, and what has come to be taken in. */
const BREATH_MS = 2
/** The cursor is stored when it moved so far; the next process looks from there on. */
const CURSOR_STEP_MS = 10_000
const CURSOR = 'cursor'

type ToAnalyze = {
  spans: SpanColumns
  /** Traces that are wanted of them, and which of those never fell quiet. */
  wanted: ReadonlyMap<string, WaitingTrace>
  unfinished: ReadonlySet<string>
  /** Of the first batch of a part of a backlog: how many traces the part before had. */
  before: number | undefined
}

export type AnalyzerHandle = {
  counters: AnalyzerCounters
  /** One cycle; returns how many traces were analyzed and how many still wait. */
  runOnce(): Promise<{ analyzed: number; waiting: number }>
  /** Runs until nothing waits. */
  drain(): Promise<void>
  stop(): Promise<void>
}

/**
 * The batch loop. A cycle looks at the spans that have become visible since the last one, late inserts included; traces
 * that have been quiet for `settleSeconds` are read, analyzed and their results written. What waits is kept in memory;
 * the stored cursor stays behind the oldest unseen span, and everything may be done twice, so a crash anywhere is made
 * good by the next cycle or the next start.
 */
export function startAnalyzer(options: {
  store: Store
  settleSeconds: number
  /** Thresholds of findings; their own, if not given. */
  findingLimits?: FindingLimits | undefined
  log: Logger
  /** What calls waited for: learned over many traces, or from each trace alone; `learned` if not given. */
  dependencies?: 'learned' | 'single'
  /** Spans of one trace that are analyzed; LARGEST_TRACE if not given. */
  largestTrace?: number
  /** Rows looked through at once when there is a backlog; BACKLOG_ROWS if not given. */
  backlogRows?: number
  /** false: only `runOnce` and `drain` work, for tests. */
  loop?: boolean
}): AnalyzerHandle {
  const { store, log } = options
  const models =
    (options.dependencies ?? 'learned') === 'learned' ? createDependencyModels(store, log) : SINGLE_TRACE
  const settleMs = options.settleSeconds * 1000
  const largest = options.largestTrace ?? LARGEST_TRACE
  const backlogRows = options.backlogRows ?? BACKLOG_ROWS
  const counters = {
    ...createCounters(),
    // Asked for in the middle of a cycle, too: with a backlog, one takes a minute.
    get lagSeconds() {
      const storeMs = Date.now() + aheadMs
      return Math.max(0, storeMs - (waiting.firstStoredMs() ?? (behind ? lookedMs! : storeMs))) / 1000
    },
  }
  const rollups = createRollupSchedule(store, log, counters, goOn)
  const detector = createDetector(options.findingLimits)
  let dictionary = createDictionary()
  let names: EndpointNames | undefined
  /** Everything up to here has been looked at; undefined before the first cycle. */
  let lookedMs: number | undefined
  /** The store's clock before ours, and when it was read, on the monotonic one. */
  let aheadMs = 0
  let clockReadAt = performance.now()
  /** Rows seen by the time they were stored at, in the overlap. */
  let seen: ReadonlyMap<number, number> = new Map()
  /** What was stored before this may have been seen by an earlier process. */
  let startedMs = 0
  let cursorMs = 0
  const waiting = createWaitingTraces()
  /** Memory of batches that are done, for the next ones: their spans and results are most of what this process makes. */
  let spareSpans: SpanColumns | undefined
  let spareResults: Analysis | undefined
  /** Traces whose results may be stored in part: those are looked up and replaced. */
  const torn = new Set<string>()
  let lastVersion = 0
  /** There is more to look at than one cycle does. */
  let behind = false
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  // One cycle at a time, whoever asks.
  let turn: Promise<unknown> = Promise.resolve()

  const runOnce = () => {
    const next = turn.then(cycle)
    turn = next.catch(() => {})
    return next
  }
  const loop = async () => {
    try {
      await runOnce()
    } catch (error) {
      behind = false
      if (!stopped) {
        counters.failures++
        log.warn({ err: error }, 'analysis cycle failed, it is repeated')
      }
    }
    if (!stopped) timer = setTimeout(loop, behind ? 0 : CYCLE_MS)
  }
  if (options.loop ?? true) timer = setTimeout(loop, 0)

  return {
    counters,
    runOnce,
    async drain() {
      for (;;) {
        const { analyzed, waiting } = await runOnce()
        if (waiting === 0 && analyzed === 0) return
        if (analyzed === 0)
          await new Promise((resolve) => setTimeout(resolve, Math.min(CYCLE_MS, settleMs || 50)))
      }
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await turn
    },
  }

  /** A cycle with a backlog takes minutes, and nobody waits so long: what it leaves is found by the next process. */
  function goOn(): void {
    if (stopped) throw new Error('the analyzer was stopped')
  }

  /** Looks, and analyzes what is quiet; where there is a backlog, goes on until it is gone. */
  async function cycle(): Promise<{ analyzed: number; waiting: number }> {
    let analyzed = 0
    const writes = createInOrder(WRITES_AT_ONCE)
    const batches = readBatches()
    let reading = batches.next()
    const endPart = async (traces: number) => {
      analyzed += traces
      await writes.give(() => afterPart(traces > 0))
    }
    try {
      for (;;) {
        const batch = await reading
        if (batch.done === true) {
          await endPart(batch.value)
          break
        }
        goOn()
        // What comes next is looked for, and read, while this is analyzed.
        reading = batches.next()
        reading.catch(() => {})
        const { spans, wanted, unfinished, before } = batch.value
        if (before !== undefined) await endPart(before)
        await breathe()
        const write = await analyze(batchOf(spans, wanted), wanted, unfinished)
        spareSpans = spans
        await breathe()
        await writes.give(async () => {
          await write()
          waiting.remove(wanted.keys())
          await rollups.whenFull()
        })
      }
      await writes.done()
    } finally {
      // Where something failed: nothing is read or written any more when the next cycle begins.
      await Promise.allSettled([reading, writes.done()])
      waiting.giveBack()
    }
    return { analyzed, waiting: waiting.size }
  }

  /** All results of a part of the backlog are stored; what is looked for meanwhile waits, or is under way. */
  async function afterPart(analyzed: boolean): Promise<void> {
    const nextMs = Math.min(lookedMs!, (waiting.firstStoredMs() ?? lookedMs!) - 1)
    if (Math.abs(nextMs - cursorMs) > CURSOR_STEP_MS) {
      await writeState(store, CURSOR, String(nextMs), versionNow())
      cursorMs = nextMs
    }
    await rollups.afterCycle(analyzed)
    counters.cycles++
  }

  /** What has become visible since it was looked the last time, or some of it where that is much, joins what waits. */
  async function look(): Promise<void> {
    const nowMs = await readClock(store)
    aheadMs = nowMs - Date.now()
    const elapsedMs = performance.now() - clockReadAt
    clockReadAt = performance.now()
    const lookedBeforeMs = await lookFrom(nowMs, elapsedMs)
    if (isFull(dictionary)) dictionary = createDictionary()
    const toMs = await windowEnd(lookedBeforeMs, nowMs)
    const overlapMs = lookedMs === undefined ? 0 : OVERLAP_MS
    const blocks = await countBlocks(store, lookedBeforeMs - overlapMs, toMs)
    const late = [...blocks].filter(([ms, rows]) => ms <= lookedBeforeMs && rows > (seen.get(ms) ?? 0))
    const fresh = [...blocks.keys()].some((ms) => ms > lookedBeforeMs)
    if (fresh || late.length > 0) {
      const onlyUnseen = lookedBeforeMs < startedMs
      const stored = { fromMs: lookedBeforeMs, toMs, late: late.map(([ms]) => ms), onlyUnseen }
      const add = waiting.beginLook()
      add(await listWaiting(store, stored))
    }
    seen = blocks
    lookedMs = toMs
    behind = toMs < nowMs
  }

  /** Where the last cycle ended; if the clock has been set back since, what time it was by the new one. */
  async function lookFrom(nowMs: number, elapsedMs: number): Promise<number> {
    if (lookedMs === undefined) return start(nowMs)
    if (nowMs >= lookedMs) return lookedMs
    log.warn({ backMs: Math.round(lookedMs + elapsedMs - nowMs) }, "the store's clock was set back")
    return nowMs - elapsedMs
  }

  /** What an earlier process left; returns where to look on from. */
  async function start(nowMs: number): Promise<number> {
    names = createEndpointNames(await readOperations(store))
    lastVersion = await readLastVersion(store)
    for (const traceId of await listTorn(store)) torn.add(traceId)
    cursorMs = Number((await readState(store, CURSOR)) ?? 0)
    // The clock has been set back, nobody knows by how much: everything is looked at.
    if (cursorMs > nowMs) cursorMs = 0
    startedMs = nowMs
    return Math.max(0, cursorMs - OVERLAP_MS)
  }

  /** As far as one cycle looks: to now, or less where there is a backlog. */
  async function windowEnd(fromMs: number, nowMs: number): Promise<number> {
    if (nowMs - fromMs < OVERLAP_MS) return nowMs
    let rows = 0
    for (const minute of await countStored(store, fromMs, nowMs)) {
      rows += minute.rows
      const endMs = minute.minuteMs + 60_000
      if (rows > backlogRows && endMs < nowMs) return endMs
    }
    return nowMs
  }

  /**
   * Looks, and reads what is quiet by then in batches that are analyzed together, with the traces wanted of each; each
   * trace once. Then the same again, as long as there is more to look at. Returns the traces of the last part.
   */
  async function* readBatches(): AsyncGenerator<ToAnalyze, number> {
    let before: number | undefined
    do {
      goOn()
      await look()
      goOn()
      const { traces, unfinished } = waiting.take(lookedMs!, settleMs)
      for await (const batch of readReady(traces)) {
        yield { ...batch, unfinished, before }
        before = undefined
      }
      before = (before ?? 0) + traces.length
    } while (behind)
    return before
  }

  async function* readReady(
    ready: readonly WaitingTrace[],
  ): AsyncGenerator<Pick<ToAnalyze, 'spans' | 'wanted'>, void> {
    const { ranges, apart } = planReads(ready, largest)
    for (const { fromMs, toMs, traces } of ranges) {
      const stored = await countStored(store, fromMs - 1, toMs)
      const rows = stored.reduce((sum, minute) => sum + minute.rows, 0)
      for (const slice of sliceById(traces, Math.ceil(rows / ROWS_AT_ONCE))) {
        const window = { fromMs: fromMs - 1, toMs, ids: slice.ids }
        const before = spareSpans
        spareSpans = undefined
        yield { spans: await readStored(store, dictionary, window, before), wanted: byId(slice.traces) }
      }
    }
    for (const traces of apart) {
      const wanted = byId(traces)
      const fromMs = Math.min(...traces.map(firstStored))
      const limit = traces.some((trace) => rowsOf(trace) > largest) ? largest : Number.POSITIVE_INFINITY
      yield { spans: await readTraces(store, dictionary, [...wanted.keys()], fromMs, limit), wanted }
    }
  }

  /** Gives what stores the results: batches are stored one after the other, in the order of their versions. */
  async function analyze(
    { spans, groups, ids }: Batch,
    wanted: ReadonlyMap<string, WaitingTrace>,
    unfinished: ReadonlySet<string>,
  ): Promise<() => Promise<void>> {
    if (spans.count === 0) return async () => {}
    const { number: modelVersion, model } = await models.learn(spans, groups)
    await breathe()
    const analysis = analyzeSpans(spans, {
      model,
      groups,
      range: true,
      callTrees: true,
      observer: detector.observer,
      before: spareResults,
    })
    spareResults = undefined
    await breathe()
    const version = versionNow()
    const isAgain = ids.map((id) => wanted.get(id)!.analyses > 0 || torn.has(id))
    const again = ids.filter((_, trace) => isAgain[trace])
    const gone = again.length === 0 ? [] : await readSampleKeys(store, again)
    const token = `analysis-${version}`
    const flagOf = (trace: WaitingTrace) =>
      rowsOf(trace) > largest ? 'too-large' : unfinished.has(trace.traceId) ? 'unfinished' : ''
    const nameOf = (endpoint: number) => names!.nameOf(spans.dictionary.endpoints[endpoint]!)
    const samples = samplesBlock(analysis, nameOf, gone, { version, modelVersion }, detector.evidence())
    const traces = tracesBlock(
      analysis,
      (i) => {
        const trace = wanted.get(ids[i]!)!
        return {
          firstStoredMs: firstStored(trace),
          lastStoredMs: trace.lastStoredMs,
          rowCount: rowsIn(groups, i),
          analyses: trace.analyses + 1,
          flag: flagOf(trace),
        }
      },
      { version, modelVersion },
    )
    const addCounts = countAnalysis(analysis)
    spareResults = analysis
    return async () => {
      for (const id of ids) torn.add(id)
      if (samples.rows > 0) await store.insertBlock('samples', samples.block, token)
      rollups.add(samples.stored, version, (row) => !isAgain[samples.traceOf[row]!])
      await store.insertBlock('analyzed_traces', traces.block, token)
      for (const id of ids) torn.delete(id)
      addCounts(counters)
      counters.flagged += ids.filter((id) => flagOf(wanted.get(id)!) !== '').length
      counters.cappedEndpoints = names!.capped
      counters.cappedServices = names!.cappedServices
      counters.modelsPublished = models.counters.published
      counters.learnedStructures = models.counters.structures
      counters.structuresDropped = models.counters.structuresDropped
    }
  }

  /** Microseconds, always ahead of the last: rows of a later analysis replace those of an earlier one. */
  function versionNow(): number {
    lastVersion = Math.max(Date.now() * 1000, lastVersion + 1)
    return lastVersion
  }
}

/** Requests and answers move only while this thread computes nothing, and a batch takes it seconds. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, BREATH_MS))
}

function byId(traces: readonly WaitingTrace[]): Map<string, WaitingTrace> {
  return new Map(traces.map((trace) => [trace.traceId, trace]))
}
