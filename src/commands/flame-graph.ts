import { foldedFrame } from '../analysis/flame.ts'
import { type Analysis, SERVICE } from '../analysis/result.ts'
import { idHex, type SpanColumns } from '../trace/columns.ts'
import type { Endpoint } from '../trace/dictionary.ts'
import { groupByTrace, type TraceGroups } from '../trace/group.ts'
import { CLIENT, SERVER } from '../trace/span.ts'
import { componentLabel } from './report-text.ts'

/**
 * Critical time of many entries, added up by call stack: every moment of a critical path counts for the span that is
 * on it, below the spans that lead to it from the entry, as often as the entry's sampling says there were such requests.
 * All of it adds up to the latencies of these.
 */
export type FlameGraph = {
  /** `wanted`: which entries count; by their endpoint. */
  add(analysis: Analysis, wanted: (endpoint: Endpoint) => boolean): void
  /** One line a stack, as flamegraph.pl and speedscope read it: `frame;frame 123`, in nanoseconds. */
  folded(): Generator<string>
  /** https://www.speedscope.app/file-format-schema.json */
  speedscope(name: string): object
}

/** Deeper spans count for the last frame: nobody reads on, and chains of 100,000 spans exist. */
const DEEPEST_STACK = 128

type Node = { parent: number; frame: number; depth: number; ns: number }

export function createFlameGraph(): FlameGraph {
  const frames: string[] = []
  const frameIds = new Map<string, number>()
  const nodes: Node[] = []
  const nodeIds = new Map<string, number>()

  function child(parent: number, label: string): number {
    if (parent >= 0 && nodes[parent]!.depth === DEEPEST_STACK) return parent
    const frame = numberOf(frameIds, label, () => frames.push(label))
    const depth = parent < 0 ? 1 : nodes[parent]!.depth + 1
    return numberOf(nodeIds, `${parent} ${frame}`, () => nodes.push({ parent, frame, depth, ns: 0 }))
  }

  /** Frames from the entry to the node. */
  function stackOf(node: number): number[] {
    const stack: number[] = []
    for (let at = node; at >= 0; at = nodes[at]!.parent) stack.push(nodes[at]!.frame)
    return stack.reverse()
  }

  /** Stacks with time, by their frames' names: the same whatever the order of the input. */
  function stacks(): { frames: number[]; ns: number }[] {
    const name = (stack: number[]) => stack.map((frame) => frames[frame]).join('\n')
    return nodes
      .flatMap(({ ns }, node) => (ns > 0 ? [{ frames: stackOf(node), ns }] : []))
      .map((stack) => ({ ...stack, name: name(stack.frames) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  return {
    add(analysis, wanted) {
      const { traces, samples, spans } = analysis
      // The same groups in the same order as the analysis made them.
      const groups = groupByTrace(spans)
      for (let trace = 0; trace < traces.count; trace++) {
        let parents: ((row: number) => number) | undefined
        for (let s = traces.firstSample[trace]!; s < traces.firstSample[trace + 1]!; s++) {
          if (samples.kind[s] === SERVICE || samples.counted[s] === 0) continue
          if (!wanted(spans.dictionary.endpoints[samples.endpoint[s]!]!)) continue
          parents ??= parentsIn(spans, groups, trace)
          addEntry(analysis, s, parents)
        }
      }
    },
    *folded() {
      for (const { frames: stack, ns } of stacks()) {
        yield `${stack.map((frame) => foldedFrame(frames[frame]!)).join(';')} ${ns}\n`
      }
    },
    speedscope(name) {
      const all = stacks()
      return {
        $schema: 'https://www.speedscope.app/file-format-schema.json',
        exporter: 'longpole',
        name,
        shared: { frames: frames.map((frame) => ({ name: frame })) },
        profiles: [
          {
            type: 'sampled',
            name,
            unit: 'nanoseconds',
            startValue: 0,
            endValue: all.reduce((sum, { ns }) => sum + ns, 0),
            samples: all.map((stack) => stack.frames),
            weights: all.map(({ ns }) => ns),
          },
        ],
      }
    },
  }

  function addEntry(
    { spans, samples, segments }: Analysis,
    sample: number,
    parentOf: (row: number) => number,
  ) {
    const { dictionary, shape } = spans
    const entry = samples.span[sample]!
    /** Node of each span met; entries start a stack of their own. */
    const nodeOf = new Map<number, number>()
    nodeOf.set(entry, child(-1, labelOf(entry)))
    for (let i = samples.firstSegment[sample]!; i < samples.firstSegment[sample + 1]!; i++) {
      const component = dictionary.components[segments.component[i]!]!
      let node = nodeAt(segments.span[i]!)
      if (component.kind !== 'service') node = child(node, componentLabel(component))
      nodes[node]!.ns += samples.weight[sample]! * (segments.endNs[i]! - segments.startNs[i]!)
    }

    function nodeAt(row: number): number {
      const above: number[] = []
      let at = row
      while (at >= 0 && !nodeOf.has(at)) {
        above.push(at)
        // Taken for reached: a cycle of parents ends here.
        nodeOf.set(at, nodeOf.get(entry)!)
        at = parentOf(at)
      }
      let node = nodeOf.get(at) ?? nodeOf.get(entry)!
      for (const span of above.reverse()) {
        node = child(node, labelOf(span))
        nodeOf.set(span, node)
      }
      return node
    }

    function labelOf(row: number): string {
      const { service, operation } = dictionary.endpoints[dictionary.endpoint(shape[row]!)]!
      return `${service} ${operation}`
    }
  }
}

/** Row of a span's parent in its trace, -1: none. Of spans that share an id, as assembly takes them apart. */
function parentsIn(spans: SpanColumns, groups: TraceGroups, trace: number): (row: number) => number {
  const { shapeKind, shapeService } = spans.dictionary
  const kindOf = (row: number) => shapeKind[spans.shape[row]!]!
  const serviceOf = (row: number) => shapeService[spans.shape[row]!]!
  const rowsOf = new Map<string, number[]>()
  for (let i = groups.first[trace]!; i < groups.first[trace + 1]!; i++) {
    const row = groups.rows[i]!
    const id = idHex(spans.spanId, row)
    const known = rowsOf.get(id)
    if (known === undefined) rowsOf.set(id, [row])
    else known.push(row)
  }

  return (row) => {
    if (kindOf(row) === SERVER) {
      const client = rowsOf.get(idHex(spans.spanId, row))!.find((other) => kindOf(other) === CLIENT)
      if (client !== undefined) return client
    }
    const candidates = rowsOf.get(idHex(spans.parentId, row))
    if (candidates === undefined) return -1
    const server = candidates.find((other) => kindOf(other) === SERVER)
    const client = candidates.find((other) => kindOf(other) === CLIENT)
    if (server === undefined || client === undefined) return candidates[0]!
    const callersOwn =
      serviceOf(client) !== serviceOf(server) &&
      serviceOf(row) === serviceOf(client) &&
      kindOf(row) !== SERVER
    return callersOwn ? client : server
  }
}

function numberOf(numbers: Map<string, number>, key: string, create: () => void): number {
  let number = numbers.get(key)
  if (number === undefined) {
    number = numbers.size
    numbers.set(key, number)
    create()
  }
  return number
}
