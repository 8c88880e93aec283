import type { SampleGroup } from './bottlenecks.ts'

/** Samples of one endpoint, in the order of the groups. */
export function joinGroups(parts: readonly SampleGroup[]): SampleGroup {
  type Piece = { offset: number; part: SampleGroup['components'][number] }
  const components = new Map<string, Piece[]>()
  let offset = 0
  for (const { durationsNs, components: own } of parts) {
    for (const part of own) {
      const key = `${part.component.kind}\n${part.component.name}`
      const known = components.get(key)
      if (known === undefined) components.set(key, [{ offset, part }])
      else known.push({ offset, part })
    }
    offset += durationsNs.length
  }
  return {
    endpoint: parts[0]!.endpoint,
    scope: parts[0]!.scope,
    durationsNs: concat(parts.map((part) => part.durationsNs)),
    weights: parts.every(({ weights }) => weights === undefined)
      ? undefined
      : concat(
          parts.map(({ weights, durationsNs }) => weights ?? new Float64Array(durationsNs.length).fill(1)),
        ),
    failed: Uint8Array.from(parts.flatMap(({ failed }) => [...failed])),
    components: [...components.values()].map((pieces) => ({
      component: pieces[0]!.part.component,
      sample: shifted(pieces.map(({ offset: by, part }) => ({ by, samples: part.sample }))),
      criticalNs: concat(pieces.map(({ part }) => part.criticalNs)),
      ifInstantNs: concat(pieces.map(({ part }) => part.ifInstantNs)),
      range: pieces.every(({ part }) => part.range === undefined)
        ? undefined
        : {
            earliestNs: concat(pieces.map(({ part }) => part.range?.earliestNs ?? part.ifInstantNs)),
            latestNs: concat(pieces.map(({ part }) => part.range?.latestNs ?? part.ifInstantNs)),
          },
    })),
  }
}

function concat(arrays: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(arrays.reduce((sum, array) => sum + array.length, 0))
  let at = 0
  for (const array of arrays) {
    whole.set(array, at)
    at += array.length
  }
  return whole
}

/** One after the other, each moved by its offset. */
function shifted(pieces: readonly { by: number; samples: Int32Array }[]): Int32Array {
  const whole = new Int32Array(pieces.reduce((sum, { samples }) => sum + samples.length, 0))
  let at = 0
  for (const { by, samples } of pieces) for (const sample of samples) whole[at++] = sample + by
  return whole
}
