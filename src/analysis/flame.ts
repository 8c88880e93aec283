import type { CallStacks } from './call-stacks.ts'
import { sumValue } from './exact-sum.ts'

/** A frame of a flame graph: critical time of it and of all below it, and of itself alone, ns. */
export type FlameNode = {
  name: string
  totalNs: number
  selfNs: number
  calls: number
  children: FlameNode[]
}

/** The stacks as trees, by total time; each is divided by `per` (1, or a number of requests). */
export function flameTrees(stacks: CallStacks, nameOf: (frame: number) => string, per = 1): FlameNode[] {
  const nodes = stacks.parent.map((_, i): FlameNode => {
    const selfNs = sumValue(stacks.criticalNs[i]!) / per
    return {
      name: nameOf(stacks.frame[i]!),
      totalNs: selfNs,
      selfNs,
      calls: stacks.calls[i]! / per,
      children: [],
    }
  })
  const roots: FlameNode[] = []
  // Callers come before what they call.
  for (let i = nodes.length - 1; i >= 0; i--) {
    const parent = stacks.parent[i]!
    if (parent < 0) roots.push(nodes[i]!)
    else {
      nodes[parent]!.totalNs += nodes[i]!.totalNs
      nodes[parent]!.children.push(nodes[i]!)
    }
  }
  const byTime = (a: FlameNode, b: FlameNode) => b.totalNs - a.totalNs || (a.name < b.name ? -1 : 1)
  for (const { children } of nodes) children.sort(byTime)
  return roots.sort(byTime)
}

/** A stack from the entry to the frame, with the time of the frame itself. */
export type FlameStack = { frames: string[]; selfNs: number }

/** Stacks with time, by their frames' names. Depth is bounded by DEEPEST_STACK. */
export function flameStacks(roots: readonly FlameNode[]): FlameStack[] {
  const stacks: FlameStack[] = []
  const visit = (node: FlameNode, above: readonly string[]) => {
    const frames = [...above, node.name]
    if (node.selfNs > 0) stacks.push({ frames, selfNs: node.selfNs })
    for (const child of node.children) visit(child, frames)
  }
  for (const root of roots) visit(root, [])
  const name = ({ frames }: FlameStack) => frames.join('\n')
  return stacks.sort((a, b) => (name(a) < name(b) ? -1 : 1))
}

/** A name that neither ends its frame nor its line. */
export function foldedFrame(name: string): string {
  return name.replaceAll(';', ',').replace(/[\p{Cc}\u2028\u2029]/gu, ' ')
}

/** One line a stack, `frame;frame 123`, in whole ns; of two, `frame;frame 123 456` as difffolded.pl writes them. */
export function foldedText(after: readonly FlameStack[], before?: readonly FlameStack[]): string {
  const key = ({ frames }: FlameStack) => frames.map(foldedFrame).join(';')
  const of = (stacks: readonly FlameStack[]) => {
    const sums = new Map<string, number>()
    for (const stack of stacks) sums.set(key(stack), (sums.get(key(stack)) ?? 0) + stack.selfNs)
    return sums
  }
  const now = of(after)
  const then = before === undefined ? undefined : of(before)
  const names = [...new Set([...(then?.keys() ?? []), ...now.keys()])].sort()
  const number = (ns: number | undefined) => String(Math.round(ns ?? 0))
  return names
    .map((name) =>
      then === undefined
        ? `${name} ${number(now.get(name))}\n`
        : `${name} ${number(then.get(name))} ${number(now.get(name))}\n`,
    )
    .join('')
}

/** https://www.speedscope.app/file-format-schema.json, a profile for each of the named. */
export function speedscopeFile(
  name: string,
  profiles: readonly { name: string; stacks: readonly FlameStack[] }[],
) {
  const numbers = new Map<string, number>()
  const numberOf = (frame: string) => {
    const known = numbers.get(frame) ?? numbers.size
    numbers.set(frame, known)
    return known
  }
  const sampled = profiles.map(({ name, stacks }) => ({
    type: 'sampled' as const,
    name,
    unit: 'nanoseconds' as const,
    startValue: 0,
    endValue: stacks.reduce((sum, { selfNs }) => sum + selfNs, 0),
    samples: stacks.map(({ frames }) => frames.map(numberOf)),
    weights: stacks.map(({ selfNs }) => selfNs),
  }))
  return {
    $schema: 'https://www.speedscope.app/file-format-schema.json',
    exporter: 'longpole',
    name,
    shared: { frames: [...numbers.keys()].map((name) => ({ name })) },
    profiles: sampled,
  }
}

/** A frame in two ranges: what changed in it. */
export type FlameDifference = {
  name: string
  beforeNs: number
  afterNs: number
  changeNs: number
  selfChangeNs: number
  children: FlameDifference[]
}

/** Two trees laid over each other, by name, the largest change first. */
export function flameDifference(
  before: readonly FlameNode[],
  after: readonly FlameNode[],
): FlameDifference[] {
  const pairs = new Map<string, { before?: FlameNode; after?: FlameNode }>()
  for (const node of before) pairs.set(node.name, { before: node })
  for (const node of after) pairs.set(node.name, { ...pairs.get(node.name), after: node })
  return [...pairs]
    .map(([name, { before, after }]) => {
      const [beforeNs, afterNs] = [before?.totalNs ?? 0, after?.totalNs ?? 0]
      return {
        name,
        beforeNs,
        afterNs,
        changeNs: afterNs - beforeNs,
        selfChangeNs: (after?.selfNs ?? 0) - (before?.selfNs ?? 0),
        children: flameDifference(before?.children ?? [], after?.children ?? []),
      }
    })
    .sort((a, b) => Math.abs(b.changeNs) - Math.abs(a.changeNs) || (a.name < b.name ? -1 : 1))
}
