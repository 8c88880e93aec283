import type { Analysis } from '../analysis/result.ts'
import type { NativeColumn } from './native-writer.ts'
import { endsOfRows, NO_ROW } from './sample-order.ts'

const WORD = 2 ** 32
/** Stands between component kind, component name and operation in the text of a frame. */
const FRAME_SEPARATOR = '\x1f'

/** What a stored frame says. */
export type FrameParts = { kind: string; component: string; operation: string }

export function framePartsOf(text: string): FrameParts {
  const [kind = '', component = '', ...operation] = text.split(FRAME_SEPARATOR)
  return { kind, component, operation: operation.join(' ') }
}

/**
 * The columns that say the critical time by call stack of the samples, each in the row that `rowOf` says; rows of none have
 * none.
 */
export function createNodeColumns(
  { spans, samples, nodes }: Analysis,
  rowOf: Uint32Array,
  rows: number,
): NativeColumn[] {
  const { frames, components } = spans.dictionary
  const lengths = new Uint32Array(samples.count)
  for (let s = 0; s < lengths.length; s++) lengths[s] = samples.firstNode[s + 1]! - samples.firstNode[s]!
  const ends = endsOfRows(rows, rowOf, lengths)
  const count = rows === 0 ? 0 : ends[rows - 1]!
  const texts: string[] = []
  /** From 1; 0: not used yet. */
  const codeOf = new Uint32Array(frames.length)
  const codes = new Uint32Array(count)
  const parents = new Uint32Array(count)
  const ns = new Uint32Array(2 * count)
  const calls = new Uint32Array(count)
  for (let s = 0; s < samples.count; s++) {
    const row = rowOf[s]!
    if (row === NO_ROW) continue
    let at = row === 0 ? 0 : ends[row - 1]!
    const end = samples.firstNode[s + 1]!
    for (let i = samples.firstNode[s]!; i < end; i++, at++) {
      const frame = nodes.frame[i]!
      if (codeOf[frame] === 0) codeOf[frame] = texts.push(textOf(frame))
      codes[at] = codeOf[frame]! - 1
      parents[at] = nodes.parent[i]! + 1
      ns[2 * at] = nodes.criticalNs[i]!
      ns[2 * at + 1] = nodes.criticalNs[i]! / WORD
      calls[at] = nodes.calls[i]!
    }
  }
  return [
    { name: 'NodeParents', type: 'Array(UInt16)', ends, values: parents },
    { name: 'NodeFrames', type: 'Array(LowCardinality(String))', ends, texts, codes },
    { name: 'NodeNs', type: 'Array(UInt64)', ends, words: ns },
    { name: 'NodeCalls', type: 'Array(UInt32)', ends, values: calls },
  ]

  function textOf(frame: number): string {
    const { component, name } = frames[frame]!
    const { kind, name: of } = components[component]!
    return [kind, of, name].join(FRAME_SEPARATOR)
  }
}
