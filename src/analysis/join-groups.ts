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
    durationsNs: floats(parts.map((part) => part.durationsNs)),
    weights: parts.every(({ weights }) => weights === undefined)
      ? undefined
      : floats(
          parts.map(({ weights, durationsNs }) => weights ?? new Float64Array(durationsNs.length).fill(1)),
        ),
    failed: concat(
      Uint8Array,
      parts.map(({ failed }) => failed),
    ),
    components: [...components.values()].map((pieces) => ({
      component: pieces[0]!.part.component,
      sample: shifted(pieces.map(({ offset: by, part }) => ({ by, samples: part.sample }))),
      criticalNs: floats(pieces.map(({ part }) => part.criticalNs)),
      ifInstantNs: floats(pieces.map(({ part }) => part.ifInstantNs)),
      range: pieces.every(({ part }) => part.range === undefined)
        ? undefined
        : {
            earliestNs: floats(pieces.map(({ part }) => part.range?.earliestNs ?? part.ifInstantNs)),
            latestNs: floats(pieces.map(({ part }) => part.range?.latestNs ?? part.ifInstantNs)),
          },
    })),
  }
}

const floats = (columns: readonly Float64Array[]) => concat(Float64Array, columns)

function concat<Column extends Float64Array | Uint8Array>(
  type: new (length: number) => Column,
  columns: readonly Column[],
): Column {
  const whole = new type(columns.reduce((sum, column) => sum + column.length, 0))
  let at = 0
  for (const column of columns) {
    whole.set(column, at)
    at += column.length
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
