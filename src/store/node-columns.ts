import type { NodeRows } from '../analysis/result.ts'
import { createWords, pushNumber, pushWord, wordsIn } from '../analysis/word-list.ts'
import type { Dictionary } from '../trace/dictionary.ts'
import { codedColumn, codesById, createCodedTexts } from './column-lists.ts'
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
  const parents = createWords()
  const ns = createWords()
  const calls = createWords()
  const ends = createWords()
  return {
    add(nodes, from, to) {
      for (let i = from; i < to; i++) {
        pushWord(parents, nodes.parent[i]! + 1)
        pushWord(frames.codes, frameOf(nodes.frame[i]!))
        pushNumber(ns, nodes.criticalNs[i]!)
        pushWord(calls, nodes.calls[i]!)
      }
    },
    endRow: () => pushWord(ends, parents.length),
    columns: () => {
      const at = { ends: wordsIn(ends) }
      return [
        { name: 'NodeParents', type: 'Array(UInt16)', ...at, values: wordsIn(parents) },
        { name: 'NodeFrames', type: 'Array(LowCardinality(String))', ...at, ...codedColumn(frames) },
        { name: 'NodeNs', type: 'Array(UInt64)', ...at, words: wordsIn(ns) },
        { name: 'NodeCalls', type: 'Array(UInt32)', ...at, values: wordsIn(calls) },
      ]
    },
  }

  function textOf(frame: number): string {
    const { component, name } = dictionary.frames[frame]!
    const { kind, name: of } = dictionary.components[component]!
    return [kind, of, name].join(FRAME_SEPARATOR)
  }
}
