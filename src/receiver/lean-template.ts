import { type ByteBuffer, copyBytes, createBytes, readVarintAt } from './column-buffers.ts'
import type { FoundRoles } from './decode-attributes.ts'
import type { SharedColumns } from './decoding.ts'
import { GROUP_OF_ROLE, KEY_GROUP, QUERY_GROUP } from './lean-roles.ts'
import type { SpanBlock } from './native-columns.ts'
import { isSame } from './text-dictionary.ts'

/** Most spans have the shape and the detail of the one of their name before, which is cheaper to see than to make. */
export type LeanTemplate = {
  nameCode: number
  kind: number
  resource: number
  transport: boolean
  /** Roles in order of appearance, and their values with their lengths, one after the other: where each ends. */
  roles: Uint8Array
  count: number
  ends: Uint32Array
  values: ByteBuffer
  shape: number
  detail: number
  /** Of the dictionaries of names, shapes and details when these had these numbers. */
  names: number
  shapes: number
  details: number
}

/** Values beyond this are not kept for comparison. */
const TEMPLATE_BYTES = 2048
const KEYED = KEY_GROUP | QUERY_GROUP

/** Whether a span must have the template's shape and detail. */
export function fits(
  template: LeanTemplate,
  { spanName, shape, detail, attributes: { values } }: SpanBlock,
  { resourceNumber }: SharedColumns,
  { list, count, at, transport }: FoundRoles,
  kind: number,
  nameCode: number,
): boolean {
  if (
    template.nameCode !== nameCode ||
    template.kind !== kind ||
    template.resource !== resourceNumber ||
    template.transport !== transport ||
    template.names !== spanName.dictionary.generation ||
    template.shapes !== shape.dictionary.generation ||
    template.details !== detail.dictionary.generation
  ) {
    return false
  }
  let known = 0
  let from = 0
  for (let i = 0; i < count; i++) {
    const role = list[i]!
    if ((GROUP_OF_ROLE[role]! & KEYED) === 0) continue
    if (known === template.count || template.roles[known] !== role) return false
    const size = template.ends[known]! - from
    const start = at[role]!
    // The length is compared, too: it comes first.
    if (start + size > values.length || !isSame(values.view, start, template.values.view, from, size))
      return false
    from += size
    known++
  }
  return known === template.count
}

/** undefined: there is too much to compare. */
export function templateOf(
  block: SpanBlock,
  { resourceNumber }: SharedColumns,
  { list, count, at, transport }: FoundRoles,
  kind: number,
  nameCode: number,
  shape: number,
  detail: number,
): LeanTemplate | undefined {
  const { values } = block.attributes
  const roles = new Uint8Array(count)
  const ends = new Uint32Array(count)
  const kept = createBytes(128)
  let known = 0
  for (let i = 0; i < count; i++) {
    const role = list[i]!
    if ((GROUP_OF_ROLE[role]! & KEYED) === 0) continue
    const start = at[role]!
    const { value, next } = readVarintAt(values, start)
    if (kept.length + value > TEMPLATE_BYTES) return undefined
    copyBytes(values.bytes, values.view, start, next - start + value, kept)
    roles[known] = role
    ends[known++] = kept.length
  }
  return {
    ...{ nameCode, kind, resource: resourceNumber, transport, roles, count: known, ends, values: kept },
    ...{ shape, detail },
    names: block.spanName.dictionary.generation,
    shapes: block.shape.dictionary.generation,
    details: block.detail.dictionary.generation,
  }
}
