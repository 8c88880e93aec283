import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { histogramQuantile } from '../analysis/histogram.ts'
import {
  capComponents,
  createRollup,
  EXEMPLARS,
  meanSavingNs,
  pickExemplars,
  type Rollup,
} from '../analysis/rollup.ts'
import { rollUpSamples, type SampleTable } from '../analysis/rollup-samples.ts'
import { STEPS } from '../analysis/steps.ts'
import { type AnalyzerState, readState, stateOf, writeState, writeStates } from '../store/analyzer-store.ts'
import type { NativeTable } from '../store/native-table.ts'
import { createRollupBlock, type RollupToStore } from '../store/rollup-block.ts'
import { markChanged, REVISION } from '../store/rollup-changes.ts'
import { createFrames, type Frames } from '../store/rollup-rows.ts'
import {
  bucketName,
  type ChangedBucket,
  countSamples,
  listChangedRollups,
  listChangedSamples,
  readSampleBlocks,
  readStoreMicros,
  readVersionsOf,
  type SampleBlock,
  sampleBlock,
} from '../store/rollup-sources.ts'
import { builtName, EVERYTHING, visitRollups } from '../store/rollups.ts'
import type { Store } from '../store/store.ts'
import { createOpenMinutes } from './open-minutes.ts'

/**
 * Changes are looked for this far behind the last pass: longer than an insert takes to become visible, and than the
 * clocks of several analyzers are apart.
 */
const OVERLAP_MICROS = 180e6
/** A longer step's bucket is built when it has been over for so long. */
const LAG_SECONDS = 180
/** Spans that begin later than this from now are not taken by the receivers; a Collector may insert them. */
const AHEAD_SECONDS = 86_400
/** Samples, and buckets of longer steps, that are added up at once. */
const SAMPLES_AT_ONCE = 200_000
const BUCKETS_AT_ONCE = 200
/** Minutes that are written at once, where their samples are at hand. */
const MINUTES_AT_ONCE = 4000
/** Texts of frames after which they are numbered anew: some instrumentation makes names without end. */
const FRAMES_KEPT = 100_000
const MINUTE = STEPS[0]!.seconds
const NONE: ReadonlyMap<string, readonly string[]> = new Map()
/** A minute is frozen this long before its samples may expire. */
const FROZEN_BEFORE_SECONDS = 3600

export type RollupCounters = {
  /** Rows written. */
  rollups: number
  /** Samples that came or changed after their minute was frozen. */
  tooLate: number
}

export type RollupBuilder = {
  /** Samples that have been stored just now need not be read back (see open-minutes.ts). */
  add(samples: NativeTable, version: number, isNew: (row: number) => boolean): void
  /** Samples that take memory are added up. True: minutes should be rebuilt now, for sums take memory as well. */
  condense(): boolean
  /** Rebuilds every bucket that has changed since. */
  run(): Promise<void>
  /** The same of minutes only. */
  runMinutes(): Promise<void>
}

/**
 * Keeps rollups equal to the samples they are made of. What has changed is asked of the store (versions newer than the
 * last pass), so a crash anywhere, another analyzer's work and late spans are all seen; a bucket that has changed is
 * read as a whole and replaced by a row whose version is the store's clock before that reading. Of two builders the one
 * that read later wins, and it has seen all that the other had. Minutes of which all samples were stored by this process
 * are made of those at hand: the store says, after the clock, whether they are all it has. `goOn` is asked before each
 * part, and throws once there is to be none any more.
 */
export function createRollupBuilder(
  store: Store,
  log: Logger,
  counters: RollupCounters,
  goOn: () => void = () => {},
): RollupBuilder {
  /** What each bucket looked like when it was built last; only of changes within the overlap. */
  const prints = STEPS.map(() => new Map<string, string>())
  let cursors: number[] | undefined
  /** What a pass has to say of itself, until its end. */
  let states: AnalyzerState[] = []
  let first = true
  let frames = createFrames()
  let minutes = createOpenMinutes((rollup) => finish(rollup, 1))

  return {
    add: (samples, version, isNew) => minutes.add(sampleBlock(samples, frames), version, isNew),
    condense: () => minutes.condense(),
    run: () => pass(STEPS.length),
    runMinutes: () => pass(1),
  }

  /** Builds the first so many steps. */
  async function pass(steps: number): Promise<void> {
    const cursors = await begin()
    const startedMicros = await readStoreMicros(store)
    try {
      await buildMinutes(cursors, startedMicros)
      for (let i = 1; i < steps; i++) await buildLonger(i, cursors, startedMicros)
    } finally {
      await saveStates()
    }
  }

  /** At once: an insert of a row takes the store as long as one of them all. What is lost is done again. */
  async function saveStates(): Promise<void> {
    const values = states
    states = []
    if (values.length > 0) await writeStates(store, values)
  }

  async function begin(): Promise<number[]> {
    cursors ??= await Promise.all(
      STEPS.map(async ({ seconds }) => Number((await readState(store, cursorName(seconds))) ?? 0)),
    )
    // The process before may have ended between rows and what says that they changed.
    if (first) await writeRevision()
    first = false
    return cursors
  }

  async function buildMinutes(cursors: number[], startedMicros: number): Promise<void> {
    goOn()
    const changed = unseen(0, await listChangedSamples(store, since(cursors[0]!)))
    const frozenTo = startedMicros / 1e6 - 86_400 * store.retention.days + FROZEN_BEFORE_SECONDS
    const open: ChangedBucket[] = []
    for (const bucket of changed) {
      if (bucket.bucket >= frozenTo) open.push(bucket)
      else {
        counters.tooLate += bucket.rows
        seen(0, bucket)
      }
    }
    if (open.length > 0) {
      const version = await readStoreMicros(store)
      const counts = await countSamples(store, open)
      const others = await buildFromHand(open, counts, version)
      await buildFromStore(chunksOf(others, counts))
    }
    minutes.settle()
    if (frames.texts.length > FRAMES_KEPT) {
      frames = createFrames()
      minutes = createOpenMinutes((rollup) => finish(rollup, 1))
    }
    moveCursor(0, cursors, startedMicros)
  }

  /** Builds the minutes of which all samples are at hand; returns the others. */
  async function buildFromHand(
    open: readonly ChangedBucket[],
    counts: ReadonlyMap<string, { print: string }>,
    version: number,
  ): Promise<ChangedBucket[]> {
    const others: ChangedBucket[] = []
    for (let from = 0; from < open.length; from += MINUTES_AT_ONCE) {
      goOn()
      const built: ChangedBucket[] = []
      await write(rows(open.slice(from, from + MINUTES_AT_ONCE), built), [], NONE, MINUTE, version, frames)
      for (const bucket of built) seen(0, bucket)
    }
    return others

    // One at a time: what is added up is written before the next.
    function* rows(chunk: readonly ChangedBucket[], built: ChangedBucket[]): Generator<RollupToStore> {
      for (const changed of chunk) {
        const known = minutes.rollupsOf(changed.name, counts.get(changed.name)?.print ?? '')
        ;(known === undefined ? others : built).push(changed)
        for (const row of known ?? []) yield { ...row, step: MINUTE, version }
      }
    }
  }

  async function buildFromStore(chunks: readonly (readonly ChangedBucket[])[]): Promise<void> {
    if (chunks.length === 0) return
    const frames = createFrames()
    // The next chunk is read while one is added up and stored.
    let reading = readChunk(chunks[0]!, frames)
    for (let i = 0; i < chunks.length; i++) {
      const read = await reading
      if (i + 1 < chunks.length) {
        reading = readChunk(chunks[i + 1]!, frames)
        reading.catch(() => {})
      }
      goOn()
      await buildChunk(chunks[i]!, read, frames)
    }
  }

  /** All that is made of a chunk's samples has the store's clock before they are read as its version. */
  async function readChunk(chunk: readonly ChangedBucket[], frames: Frames) {
    const version = await readStoreMicros(store)
    const [existing, blocks] = await Promise.all([
      readVersionsOf(store, MINUTE, chunk),
      readSampleBlocks(store, chunk, frames),
    ])
    return { version, existing, blocks }
  }

  async function buildChunk(
    chunk: readonly ChangedBucket[],
    { version, existing, blocks }: Awaited<ReturnType<typeof readChunk>>,
    frames: Frames,
  ): Promise<void> {
    const wanted = new Map(chunk.map((bucket) => [bucket.name, bucket]))
    await write(rows(), chunk, existing, MINUTE, version, frames)

    // One at a time: what is added up is written before the next.
    function* rows(): Generator<RollupToStore> {
      for (const { bucket, key, pieces } of byBucket(blocks, wanted)) {
        const rollup = rollUpSamples(pieces, bucket, MINUTE)
        yield { step: MINUTE, bucket, key, rollup, version }
      }
    }
    for (const bucket of chunk) seen(0, bucket)
  }

  async function buildLonger(i: number, cursors: number[], startedMicros: number): Promise<void> {
    goOn()
    const { seconds } = STEPS[i]!
    const finer = STEPS[i - 1]!.seconds
    const overAt = startedMicros / 1e6 - LAG_SECONDS
    const changed = unseen(i, await listChangedRollups(store, since(cursors[i]!), finer, seconds))
    const isAhead = ({ bucket }: ChangedBucket) => bucket > overAt + AHEAD_SECONDS
    const isOver = ({ bucket }: ChangedBucket) => bucket + seconds <= overAt
    // One far ahead, as a broken clock says, would keep the cursor back for good, and all since would be listed each time.
    const over = changed.filter((bucket) => isOver(bucket) || isAhead(bucket))
    const running = changed.filter((bucket) => !isOver(bucket) && !isAhead(bucket))
    over.sort((a, b) => a.bucket - b.bucket)
    for (let from = 0; from < over.length; from += BUCKETS_AT_ONCE) {
      goOn()
      const chunk = over.slice(from, from + BUCKETS_AT_ONCE)
      await buildFromFiner(i, chunk)
      for (const bucket of chunk) seen(i, bucket)
    }
    // What still runs must be found again when it is over.
    const least = running.reduce((least, { version }) => Math.min(least, version), startedMicros)
    moveCursor(i, cursors, Math.min(startedMicros, least + OVERLAP_MICROS))
    const builtTo = Math.floor(overAt / seconds) * seconds
    states.push(stateOf(builtName(seconds), String(builtTo), startedMicros))
  }

  async function buildFromFiner(i: number, chunk: readonly ChangedBucket[]): Promise<void> {
    const { seconds } = STEPS[i]!
    const finer = STEPS[i - 1]!.seconds
    const version = await readStoreMicros(store)
    const frames = createFrames()
    const wanted = new Map(chunk.map((bucket) => [bucket.name, bucket]))
    const existing = await readVersionsOf(store, seconds, chunk)
    const rollups = new Map<string, RollupToStore>()
    const buckets = [...new Set(chunk.map(({ bucket }) => bucket))]
    const stretches = buckets.map((bucket) => ({
      step: finer,
      fromSeconds: bucket,
      toSeconds: bucket + seconds,
    }))
    const parts = {
      observed: true,
      overlap: true,
      components: true,
      shifts: true,
      presents: true,
      stacks: true,
      exemplars: true,
    }
    // Rows come in no order; sums of squares depend on it, so they are added in order of time.
    const adds: { bucket: number; add: () => void }[] = []
    const filter = { ...EVERYTHING, endpoints: chunk.map(({ key }) => key) }
    await visitRollups(store, { stretches }, filter, parts, frames, ({ bucket, key }, addTo) => {
      const parent = Math.floor(bucket / seconds) * seconds
      if (!wanted.has(bucketName(parent, { ...key, version: '' }))) return
      const name = `${bucketName(parent, key)}\n${key.version}`
      let row = rollups.get(name)
      if (row === undefined) {
        row = { step: seconds, bucket: parent, key, rollup: createRollup(), version }
        rollups.set(name, row)
      }
      const { rollup } = row
      const place = { at: (bucket - parent) / finer, of: seconds / finer }
      adds.push({ bucket, add: () => addTo(rollup, place) })
    })
    adds.sort((a, b) => a.bucket - b.bucket)
    for (const { add } of adds) add()
    for (const { rollup } of rollups.values()) finish(rollup, EXEMPLARS)
    await write(rollups.values(), chunk, existing, seconds, version, frames)
  }

  /** Stores rows, and empty ones in place of those that have no samples any more. */
  async function write(
    rows: Iterable<RollupToStore>,
    chunk: readonly ChangedBucket[],
    existing: ReadonlyMap<string, readonly string[]>,
    step: number,
    version: number,
    frames: Frames,
  ): Promise<void> {
    const block = createRollupBlock((frame) => frames.texts[frame]!)
    const built = new Set<string>()
    const buckets = new Set<number>()
    const add = (row: RollupToStore) => {
      block.add(row)
      built.add(`${bucketName(row.bucket, row.key)}\n${row.key.version}`)
      buckets.add(row.bucket)
    }
    for (const row of rows) add(row)
    for (const { bucket, key, name } of chunk) {
      for (const one of existing.get(name) ?? []) {
        if (built.has(`${name}\n${one}`)) continue
        add({ step, bucket, key: { ...key, version: one }, rollup: createRollup(), version })
      }
    }
    if (block.rows === 0) return
    await markChanged(store, step, buckets)
    await store.insertBlock('rollups', block.finish(), `rollups-${randomUUID()}`)
    await markChanged(store, step, buckets)
    counters.rollups += block.rows
    log.debug({ step, rows: block.rows }, 'rollups written')
  }

  async function writeRevision(): Promise<void> {
    await writeState(store, REVISION, randomUUID(), await readStoreMicros(store))
  }

  /** Changes that no pass has built; what is no change within the overlap any more is forgotten. */
  function unseen(i: number, changed: readonly ChangedBucket[]): ChangedBucket[] {
    const known = prints[i]!
    const kept = new Map<string, string>()
    const fresh: ChangedBucket[] = []
    for (const bucket of changed) {
      const print = known.get(bucket.name)
      if (print === bucket.print) kept.set(bucket.name, print)
      else fresh.push(bucket)
    }
    prints[i] = kept
    return fresh
  }

  function seen(i: number, { name, print }: ChangedBucket): void {
    prints[i]!.set(name, print)
  }

  function moveCursor(i: number, cursors: number[], toMicros: number): void {
    if (toMicros <= cursors[i]!) return
    states.push(stateOf(cursorName(STEPS[i]!.seconds), String(toMicros), toMicros))
    cursors[i] = toMicros
  }
}

const cursorName = (seconds: number) => `rollups-cursor-${seconds}`
const since = (cursor: number) => Math.max(0, cursor - OVERLAP_MICROS)

/** After adding rows: the exemplars and components that are kept. `ofComponents`: exemplars of each kind of a component. */
function finish(rollup: Rollup, ofComponents: number): void {
  capComponents(rollup)
  const medianNs = histogramQuantile(rollup.observed, rollup.weight, 0.5)
  rollup.exemplars = pickExemplars(rollup.exemplars, medianNs, EXEMPLARS)
  for (const part of rollup.components.values()) {
    part.exemplars = pickExemplars(part.exemplars, meanSavingNs(part), ofComponents)
  }
}

/** Buckets in order of time, some SAMPLES_AT_ONCE together. */
function chunksOf(
  buckets: readonly ChangedBucket[],
  counts: ReadonlyMap<string, { rows: number }>,
): ChangedBucket[][] {
  const chunks: ChangedBucket[][] = []
  let samples = Number.POSITIVE_INFINITY
  for (const bucket of [...buckets].sort((a, b) => a.bucket - b.bucket)) {
    const count = counts.get(bucket.name)?.rows ?? 0
    if (samples + count > SAMPLES_AT_ONCE) {
      chunks.push([])
      samples = 0
    }
    chunks.at(-1)!.push(bucket)
    samples += count
  }
  return chunks
}

type BucketPieces = {
  bucket: number
  key: RollupToStore['key']
  pieces: { table: SampleTable; rows: number[] }[]
}

/** The rows of each wanted bucket and service version, by the block they came in. */
function byBucket(
  blocks: readonly SampleBlock[],
  wanted: ReadonlyMap<string, ChangedBucket>,
): Iterable<BucketPieces> {
  const buckets = new Map<string, BucketPieces>()
  for (const { rows, bucketOf, keyOf, isLikeBefore, table } of blocks) {
    let current: number[] | undefined
    for (let row = 0; row < rows; row++) {
      // Rows come by endpoint, then by time: most are of the bucket of the one before.
      if (row > 0 && isLikeBefore(row)) {
        current?.push(row)
        continue
      }
      current = undefined
      const bucket = bucketOf(row)
      const key = keyOf(row)
      const name = bucketName(bucket, key)
      if (!wanted.has(name)) continue
      const full = `${name}\n${key.version}`
      let known = buckets.get(full)
      if (known === undefined) {
        known = { bucket, key, pieces: [] }
        buckets.set(full, known)
      }
      let last = known.pieces.at(-1)
      if (last?.table !== table) {
        last = { table, rows: [] }
        known.pieces.push(last)
      }
      last.rows.push(row)
      current = last.rows
    }
  }
  return buckets.values()
}
