import type { NodeRows } from '../analysis/result.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { codesById, createCodedTexts } from './column-lists.ts'
import type { NativeColumn } from './native-writer.ts'

/** Stands between component kind, component name and operation in the text of a frame. */
const FRAME_SEPARATOR = '\x1f'

/** What a stored frame says. */
export type FrameParts = { kind: string; component: string; operation: string }

export function framePartsOf(text: string): FrameParts {
  const [kind = '', component = '', ...operation] = text.split(FRAME_SEPARATOR)
  return { kind, component, operation: operation.join(' ') }
}

/** The columns that say a sample's critical time by call stack: nodes are added, then the row is ended. */
export function createNodeColumns(dictionary: Pick<Dictionary, 'frames' | 'components'>): {
  add(nodes: NodeRows, from: number, to: number): void
  endRow(): void
  columns(): NativeColumn[]
} {
  const frames = createCodedTexts()
  const frameOf = codesById(frames, textOf)
  const parents: number[] = []
  const ns: number[] = []
  const calls: number[] = []
  const ends: number[] = []
  return {
    add(nodes, from, to) {
      for (let i = from; i < to; i++) {
        parents.push(nodes.parent[i]! + 1)
        frames.codes.push(frameOf(nodes.frame[i]!))
        ns.push(nodes.criticalNs[i]!)
        calls.push(nodes.calls[i]!)
      }
    },
    endRow: () => ends.push(parents.length),
    columns: () => [
      { name: 'NodeParents', type: 'Array(UInt16)', ends, values: parents },
      { name: 'NodeFrames', type: 'Array(LowCardinality(String))', ends, ...frames },
      { name: 'NodeNs', type: 'Array(UInt64)', ends, values: ns },
      { name: 'NodeCalls', type: 'Array(UInt32)', ends, values: calls },
    ],
  }

  function textOf(frame: number): string {
    const { component, name } = dictionary.frames[frame]!
    const { kind, name: of } = dictionary.components[component]!
    return [kind, of, name].join(FRAME_SEPARATOR)
  }
}
