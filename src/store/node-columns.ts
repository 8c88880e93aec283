import type { Analysis } from '../analysis/result.ts'
import type { NativeColumn } from './native-writer.ts'

const WORD = 2 ** 32
/** Stands between component kind, component name and operation in the text of a frame. */
const FRAME_SEPARATOR = '\x1f'

/** What a stored frame says. */
export type FrameParts = { kind: string; component: string; operation: string }

export function framePartsOf(text: string): FrameParts {
  const [kind = '', component = '', ...operation] = text.split(FRAME_SEPARATOR)
  return { kind, component, operation: operation.join(' ') }
}

/** The columns that say the critical time by call stack of the samples named, in that order; rows beyond them have none. */
export function createNodeColumns(
  { spans, samples, nodes }: Analysis,
  order: Uint32Array,
  rows: number,
): NativeColumn[] {
  const { frames, components } = spans.dictionary
  let most = 0
  for (let row = 0; row < order.length; row++) {
    most += samples.firstNode[order[row]! + 1]! - samples.firstNode[order[row]!]!
  }
  const texts: string[] = []
  /** From 1; 0: not used yet. */
  const codeOf = new Uint32Array(frames.length)
  const codes = new Uint32Array(most)
  const parents = new Uint32Array(most)
  const ns = new Uint32Array(2 * most)
  const calls = new Uint32Array(most)
  const ends = new Uint32Array(rows)
  let count = 0
  for (let row = 0; row < order.length; row++) {
    const end = samples.firstNode[order[row]! + 1]!
    for (let i = samples.firstNode[order[row]!]!; i < end; i++) {
      const frame = nodes.frame[i]!
      if (codeOf[frame] === 0) codeOf[frame] = texts.push(textOf(frame))
      codes[count] = codeOf[frame]! - 1
      parents[count] = nodes.parent[i]! + 1
      ns[2 * count] = nodes.criticalNs[i]!
      ns[2 * count + 1] = nodes.criticalNs[i]! / WORD
      calls[count++] = nodes.calls[i]!
    }
    ends[row] = count
  }
  ends.fill(count, order.length)
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
