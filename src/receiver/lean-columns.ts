import { type ByteBuffer, createBytes, pushWide, pushWord, type WordList } from './column-buffers.ts'
import { ABSENT, type FoundRoles } from './decode-attributes.ts'
import type { SharedColumns } from './decoding.ts'
import { bodyBytes, valueHash, weightOf, wholeNumber } from './lean-figures.ts'
import { detailOf, isPeerInUrl, shapeOf } from './lean-keys.ts'
import { QUERY_GROUP, SIZES_GROUP, SPAN_ROLE, URL_GROUP } from './lean-roles.ts'
import { fits, type LeanTemplate, templateOf } from './lean-template.ts'
import type { SpanBlock } from './native-columns.ts'
import { createQueryMemory, type QueryMemory } from './query-memory.ts'
import { createDictionary, type TextDictionary } from './text-dictionary.ts'

/**
 * What `spans_lean` holds of a span, worked out while its attributes are at hand, by the rules of src/trace/shape.ts,
 * detail.ts and sampling.ts. What a Collector inserts itself gets the same from a view; test/receiver/lean.test.ts
 * compares the two row by row. Values are read where they have just been stored: cut and repaired like them.
 */
export type LeanWork = {
  /** A key in the making. */
  key: ByteBuffer
  /** By name, kind and resource: the last such span. */
  templates: (LeanTemplate | undefined)[]
  /** What shapes have of resources, numbered: the same from request to request. */
  resources: TextDictionary
  queries: QueryMemory
}

const TEMPLATES = 1024

export function createLeanWork(): LeanWork {
  return {
    key: createBytes(),
    templates: new Array<LeanTemplate | undefined>(TEMPLATES).fill(undefined),
    resources: createDictionary(),
    queries: createQueryMemory(),
  }
}

/** Appends ids as numbers; each is at its place in `bytes`, ABSENT stands for none. */
export function pushIdNumbers(
  block: SpanBlock,
  view: DataView,
  traceIdAt: number,
  spanIdAt: number,
  parentIdAt: number,
): void {
  pushNumber(block.traceHigh, view, traceIdAt)
  pushNumber(block.traceLow, view, traceIdAt + 8)
  pushNumber(block.spanNumber, view, spanIdAt)
  if (parentIdAt === ABSENT) pushWide(block.parentNumber, 0, 0)
  else pushNumber(block.parentNumber, view, parentIdAt)
}

function pushNumber(to: WordList, view: DataView, at: number): void {
  pushWide(to, view.getUint32(at + 4), view.getUint32(at))
}

/** Appends what attributes decide: shape, weight, detail and figures. The span's attributes are in the block already. */
export function pushLean(
  work: LeanWork,
  block: SpanBlock,
  shared: SharedColumns,
  roles: FoundRoles,
  kind: number,
  nameCode: number,
  traceStateAt: number,
): void {
  const { at, groups } = roles
  const { values } = block.attributes
  const place = (Math.imul(nameCode, 31) + 7 * kind + Math.imul(shared.resourceNumber, 131)) & (TEMPLATES - 1)
  // URLs differ from span to span: they are no part of templates.
  const isAlike = !isPeerInUrl(values, roles, kind)
  const template = isAlike ? work.templates[place] : undefined
  if (template !== undefined && fits(template, block, shared, roles, kind, nameCode)) {
    pushWord(block.shape.codes, template.shape)
    pushWord(block.detail.codes, template.detail)
  } else {
    const shape = shapeOf(work, block, shared, roles, kind, nameCode)
    const detail = detailOf(work, block, roles, kind)
    pushWord(block.shape.codes, shape)
    pushWord(block.detail.codes, detail)
    if (isAlike) work.templates[place] = templateOf(block, shared, roles, kind, nameCode, shape, detail)
  }
  pushWord(block.weight, weightOf(block, roles, traceStateAt))
  const hasSizes = (groups & SIZES_GROUP) !== 0
  pushWord(block.bodyBytes, hasSizes ? bodyBytes(values, at) : 0)
  pushWord(
    block.returnedRows,
    hasSizes ? wholeNumber(values, at[SPAN_ROLE['db.response.returned_rows']]!) : 0,
  )
  const hasValue = (groups & (QUERY_GROUP | URL_GROUP)) !== 0
  pushWord(block.valueHash, hasValue ? valueHash(work, block, roles) : 0)
}
