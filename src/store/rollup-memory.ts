import { createHash } from 'node:crypto'
import type { Stretch } from '../analysis/steps.ts'
import { type Changes, readChanges } from './rollup-changes.ts'
import { createFrames, type Frames } from './rollup-rows.ts'
import type { Store } from './store.ts'

/** What is remembered of a store's rollups takes about this much; what was asked for longest ago goes first. */
const MOST_BYTES = 256 * 1024 * 1024
/** Texts of frames after which all is forgotten: some instrumentation makes names without end. */
const MOST_FRAMES = 200_000
/** An entry without what it holds. */
const ENTRY_BYTES = 500

type Remembered = { state: string; value: unknown; bytes: number }
type Memory = { entries: Map<string, Remembered>; bytes: number; frames: Frames }

const memories = new WeakMap<Store, Memory>()

function memoryOf(store: Store): Memory {
  let memory = memories.get(store)
  if (memory === undefined || memory.frames.texts.length > MOST_FRAMES) {
    memory = { entries: new Map(), bytes: 0, frames: createFrames() }
    memories.set(store, memory)
  }
  return memory
}

/** A question about groups of buckets, asked of each by itself. */
export type Question<T> = {
  /** Says everything that the answers depend on beside the buckets. */
  name: string
  /** The answers of some groups, given by their places, in that order, read from the store; `frames` are for good. */
  read(places: number[], frames: Frames): Promise<T[]>
  bytesOf(answer: T): number
  /** Answers that are not worth remembering. */
  isPassing?(place: number): boolean
}

/**
 * The answer of each group: remembered where none of its buckets has changed since, else read. Nobody may change what is
 * handed out. `revision`: of the cover; undefined: nothing is known of changes, and nothing is remembered.
 */
export async function answerGroups<T>(
  store: Store,
  revision: string | undefined,
  groups: readonly (readonly Stretch[])[],
  question: Question<T>,
  known?: Changes,
): Promise<{ answers: T[]; frames: Frames }> {
  const memory = memoryOf(store)
  const changes = known ?? (revision === undefined ? () => '' : await readChanges(store, groups.flat()))
  // Of a text beyond 16 KB, as the names of some endpoints are, V8's hash is its length: all groups' keys would collide.
  const name = createHash('sha256').update(question.name).digest('base64')
  const keys = groups.map((group) => `${name}\n${stretchNames(group)}`)
  const states = groups.map((group) => `${revision} ${changes(group)}`)
  const answers: T[] = []
  const missing: number[] = []
  keys.forEach((key, place) => {
    const entry = memory.entries.get(key)
    if (entry === undefined || revision === undefined || entry.state !== states[place]) missing.push(place)
    else {
      // The one asked for last goes last.
      memory.entries.delete(key)
      memory.entries.set(key, entry)
      answers[place] = entry.value as T
    }
  })
  if (missing.length > 0) {
    const read = await question.read(missing, memory.frames)
    missing.forEach((place, i) => {
      answers[place] = read[i]!
      if (revision === undefined || question.isPassing?.(place)) return
      const bytes = ENTRY_BYTES + keys[place]!.length + question.bytesOf(read[i]!)
      put(memory, keys[place]!, { state: states[place]!, value: read[i]!, bytes })
    })
  }
  return { answers, frames: memory.frames }
}

function put(memory: Memory, key: string, entry: Remembered): void {
  memory.bytes += entry.bytes - (memory.entries.get(key)?.bytes ?? 0)
  memory.entries.delete(key)
  memory.entries.set(key, entry)
  for (const [oldest, { bytes }] of memory.entries) {
    if (memory.bytes <= MOST_BYTES) break
    memory.entries.delete(oldest)
    memory.bytes -= bytes
  }
}

function stretchNames(stretches: readonly Stretch[]): string {
  return stretches.map(({ step, fromSeconds, toSeconds }) => `${step} ${fromSeconds} ${toSeconds}`).join('\n')
}
