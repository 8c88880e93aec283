import { NODES_KEPT } from '../analysis/call-stacks.ts'
import { addRollup, COMPONENTS_KEPT, type Rollup, type RollupKey } from '../analysis/rollup.ts'
import { rollUpSamples, type SampleTable } from '../analysis/rollup-samples.ts'
import { STEPS } from '../analysis/steps.ts'
import {
  addToPrint,
  bucketName,
  printText,
  type SampleBlock,
  type SamplePrint,
} from '../store/rollup-sources.ts'

/** Samples held that have not been added up; more are read back from the store. */
const MOST_SAMPLES = 400_000
/** Bins of the sums that are kept, 8 bytes each. */
const MOST_BINS = 4_000_000
const MINUTE = STEPS[0]!.seconds

/** What is known of a minute of an endpoint and service.version. */
type Known = { bucket: number; key: RollupKey; sum: Rollup | undefined; pieces: Piece[] }
type Piece = { table: SampleTable; rows: number[] }
type OpenMinute = { print: SamplePrint; versions: Map<string, Known> }

export type MinuteRollup = { bucket: number; key: RollupKey; rollup: Rollup }

/**
 * Minutes as the samples that this process has just stored make them, so that those need not be read back. Samples are
 * only added that were stored for the first time. Whether they are all that a minute has, the store says: where others
 * came from elsewhere, replace some or were there before, the prints differ, and the minute is made of what is stored.
 */
export type OpenMinutes = {
  /**
   * Where as many samples are held as should be, adds them up. True: sums take so much room that minutes should be built,
   * after which those built longest ago may be let go.
   */
  condense(): boolean
  /** Samples stored under a version; `isNew`: no analysis before has given this one. */
  add(block: SampleBlock, version: number, isNew: (row: number) => boolean): void
  /** A row for each service.version of a minute (bucketName); undefined: what is known is not all there is. */
  rollupsOf(name: string, print: string): MinuteRollup[] | undefined
  /** Lets go what was not added up: it is not all there is. */
  settle(): void
}

export function createOpenMinutes(finish: (rollup: Rollup) => void, mostSamples = MOST_SAMPLES): OpenMinutes {
  const minutes = new Map<string, OpenMinute>()
  /** Bins of those that are added up; what was added up last comes last. */
  const sizes = new Map<string, number>()
  let held = 0
  let bins = 0

  return {
    condense() {
      if (held <= mostSamples / 2) return false
      for (const [name, { versions }] of minutes) {
        const known = [...versions.values()]
        if (!known.some(({ pieces }) => pieces.length > 0)) continue
        const rollups = addUpAll(known, finish)
        if (rollups === undefined) drop(name)
        else setSize(name, rollups)
      }
      held = 0
      return bins > MOST_BINS / 2
    },
    add(block, version, isNew) {
      if (held + block.rows > mostSamples) return
      held += block.rows
      const counts = new Map<OpenMinute, number>()
      let minute: OpenMinute | undefined
      let piece: Piece | undefined
      for (let row = 0; row < block.rows; row++) {
        // Rows come by endpoint, then by time: most are of the minute of the one before.
        if (row === 0 || !block.isLikeBefore(row)) {
          const bucket = block.bucketOf(row)
          const key = block.keyOf(row)
          minute = minuteOf(bucketName(bucket, key))
          piece = pieceOf(minute, bucket, key, block.table)
        }
        if (!isNew(row)) continue
        piece!.rows.push(row)
        counts.set(minute!, (counts.get(minute!) ?? 0) + 1)
      }
      for (const [minute, rows] of counts) addToPrint(minute.print, rows, version)
    },
    rollupsOf(name, print) {
      const minute = minutes.get(name)
      if (minute === undefined || printText(minute.print) !== print) return undefined
      const rollups = addUpAll([...minute.versions.values()], finish)
      if (rollups === undefined) drop(name)
      else {
        setSize(name, rollups)
        for (const other of sizes.keys()) {
          if (bins <= MOST_BINS) break
          drop(other)
        }
      }
      return rollups
    },
    settle() {
      held = 0
      for (const [name, { versions }] of minutes) {
        if ([...versions.values()].some(({ pieces }) => pieces.length > 0)) drop(name)
      }
    },
  }

  function minuteOf(name: string): OpenMinute {
    let minute = minutes.get(name)
    if (minute === undefined) {
      minute = { print: { rows: 0, versions: 0n, squares: 0n }, versions: new Map() }
      minutes.set(name, minute)
    }
    return minute
  }

  function pieceOf({ versions }: OpenMinute, bucket: number, key: RollupKey, table: SampleTable): Piece {
    let known = versions.get(key.version)
    if (known === undefined) {
      known = { bucket, key, sum: undefined, pieces: [] }
      versions.set(key.version, known)
    }
    let piece = known.pieces.at(-1)
    if (piece?.table !== table) {
      piece = { table, rows: [] }
      known.pieces.push(piece)
    }
    return piece
  }

  function setSize(name: string, rollups: readonly MinuteRollup[]): void {
    const size = rollups.reduce((sum, { rollup }) => sum + binsOf(rollup), 0)
    bins += size - (sizes.get(name) ?? 0)
    sizes.delete(name)
    sizes.set(name, size)
  }

  function drop(name: string): void {
    bins -= sizes.get(name) ?? 0
    sizes.delete(name)
    minutes.delete(name)
  }
}

/** Of all of a minute's versions; undefined where one of them cannot be had. */
function addUpAll(versions: readonly Known[], finish: (rollup: Rollup) => void): MinuteRollup[] | undefined {
  const rollups: MinuteRollup[] = []
  for (const known of versions) {
    const rollup = addUp(known, finish)
    if (rollup === undefined) return undefined
    rollups.push({ bucket: known.bucket, key: known.key, rollup })
  }
  return rollups
}

/** undefined: there are too many components or stacks to tell apart; which of them are kept, only all samples say. */
function addUp(known: Known, finish: (rollup: Rollup) => void): Rollup | undefined {
  if (known.pieces.length > 0) {
    const more = rollUpSamples(known.pieces, known.bucket, MINUTE)
    known.pieces = []
    if (known.sum === undefined) known.sum = more
    else {
      addRollup(known.sum, more)
      finish(known.sum)
    }
  }
  const { components, stacks } = known.sum!
  return components.size < COMPONENTS_KEPT && stacks.parent.length < NODES_KEPT ? known.sum : undefined
}

function binsOf({ observed, components }: Rollup): number {
  let bins = observed.counts.length
  for (const { observed, shift, earlier, later } of components.values()) {
    // A sum is some hundred bytes as well.
    bins += 50 + observed.counts.length + shift.counts.length + earlier.counts.length + later.counts.length
  }
  return bins
}
