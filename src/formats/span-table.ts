import { NARROW, reserve, type SpanColumns, setFigures, WIDE } from '../trace/columns.ts'
import { detailKeyFrom, figuresFrom } from '../trace/detail.ts'
import {
  type AttributeMap,
  SHAPE_SEPARATOR,
  type ShapeFields,
  shapeFieldsFrom,
  shapeFieldsOf,
  shapeKeyOf,
} from '../trace/shape.ts'
import type { FileSpan, Resource, SpanSink } from './file-span.ts'

/** Attributes are kept for the last tie-break among duplicates as long as there are no more spans than this (~1 KB each). */
const KEPT_SPANS = 50_000

/** The part of a shape that comes from the resource. */
type ResourceFields = Pick<ShapeFields, 'service' | 'environment' | 'namespace' | 'version' | 'instance'>

/** Appends what is read to columns. */
export type SpanTable = SpanSink & {
  /** Rows at the end whose resource is not known yet. */
  unsettled(): number
  /** Takes the first rows out of the columns: they are kept elsewhere now. */
  forget(rows: number): void
  /** Whether attributes are still kept for tie-breaks. */
  keepsAttributes(): boolean
  /** Number of a shape without its resource, given its key. */
  partOf(key: string): number
  /** Id of a detail, given its key. */
  detailOf(key: string): number
  /** Appends rows of other columns, of which those numbers, the details and the resources are known. */
  addRows(
    from: Omit<SpanColumns, 'dictionary' | 'tieText'>,
    first: number,
    end: number,
    partOf: (row: number) => number,
    detailOf: (row: number) => number,
    resourceOf: (row: number) => Resource,
  ): void
}

export function createSpanTable(columns: SpanColumns, keptSpans = KEPT_SPANS): SpanTable {
  const { dictionary } = columns
  /** Shapes without their resource, resources, and the shape id of each pair met. */
  const partIds = new Map<string, number>()
  const parts: ShapeFields[] = []
  const resourceIds = new Map<string, number>()
  const resources: ResourceFields[] = []
  const shapes = new Map<number, number>()
  /** Resources by identity: the one of the span before, then those of the rows not settled yet. */
  let lastResource: Resource | undefined
  let lastResourceId = -1
  const waiting: Resource[] = []
  let kept: { attributes: AttributeMap; resource: Resource }[] | undefined = []

  columns.tieText = (row) => {
    if (kept !== undefined) {
      const { attributes, resource } = kept[row]!
      return sortedJson(attributes) + sortedJson(resource.attributes ?? {})
    }
    // In large inputs, what the analysis looks at has to do: it does not depend on the order of spans either.
    return sortedJson(dictionary.fields(columns.shape[row]!))
  }

  return {
    add(span, resource) {
      const row = appendRow(columns, span)
      setShape(row, partOf(span), resource)
      columns.detail[row] = dictionary.details.id(detailKeyFrom(span.kind, span.attributes))
      if (kept === undefined) return
      if (row < keptSpans) kept.push({ attributes: span.attributes, resource })
      else kept = undefined
    },
    settle() {
      if (waiting.length === 0) return
      const from = columns.count - waiting.length
      for (let i = 0; i < waiting.length; i++) {
        columns.shape[from + i] = shapeOf(columns.shape[from + i]!, waiting[i]!)
      }
      waiting.length = 0
      lastResource = undefined
    },
    abandon() {
      const forgotten = waiting.length
      columns.count -= forgotten
      if (kept !== undefined) kept.length = columns.count
      waiting.length = 0
      return forgotten
    },
    unsettled: () => waiting.length,
    keepsAttributes: () => kept !== undefined,
    partOf: partOfKey,
    detailOf: dictionary.details.id,
    addRows(from, first, end, partOf, detailOf, resourceOf) {
      if (first === end) return
      kept = undefined
      const to = columns.count
      reserve(columns, to + end - first)
      for (const name of WIDE) columns[name].set(from[name].subarray(2 * first, 2 * end), 2 * to)
      columns.status.set(from.status.subarray(first, end), to)
      for (const name of NARROW) columns[name].set(from[name].subarray(first, end), to)
      for (let row = first; row < end; row++) columns.detail[to + row - first] = detailOf(row)
      columns.count = to + end - first
      for (let row = first; row < end; row++) setShape(to + row - first, partOf(row), resourceOf(row))
    },
    forget(rows) {
      for (const name of WIDE) {
        columns[name].copyWithin(0, 2 * rows, 2 * columns.count)
      }
      columns.status.copyWithin(0, rows, columns.count)
      for (const name of NARROW) columns[name].copyWithin(0, rows, columns.count)
      columns.count -= rows
      kept = undefined
    },
  }

  function partOf(span: FileSpan): number {
    return partOfKey(shapeKeyOf(shapeFieldsFrom(span.kind, span.name, {}, span.attributes)))
  }

  function partOfKey(key: string): number {
    let id = partIds.get(key)
    if (id === undefined) {
      id = parts.push(shapeFieldsOf(key)) - 1
      partIds.set(key, id)
    }
    return id
  }

  function setShape(row: number, part: number, resource: Resource): void {
    if (waiting.length === 0 && resource.attributes !== undefined) {
      columns.shape[row] = shapeOf(part, resource)
    } else {
      columns.shape[row] = part
      waiting.push(resource)
    }
  }

  function shapeOf(part: number, resource: Resource): number {
    if (resource !== lastResource) {
      lastResource = resource
      lastResourceId = resourceIdOf(resource)
    }
    const pair = part * 2 ** 24 + lastResourceId
    let shape = shapes.get(pair)
    if (shape === undefined) {
      shape = dictionary.shape(shapeKeyOf({ ...parts[part]!, ...resources[lastResourceId]! }))
      shapes.set(pair, shape)
    }
    return shape
  }

  function resourceIdOf(resource: Resource): number {
    const { service, environment, namespace, version, instance } = shapeFieldsFrom(
      'INTERNAL',
      '',
      resource.attributes ?? {},
      {},
    )
    const key = [service, environment, namespace, version, instance].join(SHAPE_SEPARATOR)
    let id = resourceIds.get(key)
    if (id === undefined) {
      id = resources.push({ service, environment, namespace, version, instance }) - 1
      resourceIds.set(key, id)
    }
    return id
  }
}

/** Appends all but the shape and the detail. */
export function appendRow(columns: SpanColumns, span: FileSpan): number {
  const row = columns.count
  reserve(columns, row + 1)
  putHex(columns.traceHigh, row, span.traceId, 0)
  putHex(columns.traceLow, row, span.traceId, 16)
  putHex(columns.spanId, row, span.spanId, 0)
  putHex(columns.parentId, row, span.parentSpanId, 0)
  putNs(columns.start, row, span.startNs)
  putNs(columns.end, row, span.endNs)
  columns.status[row] = span.status
  columns.weight[row] = span.weight
  setFigures(columns, row, figuresFrom(span.attributes))
  columns.count = row + 1
  return row
}

/** 16 hex digits from `at`; '' is 0. */
function putHex(words: Uint32Array, row: number, hex: string, at: number): void {
  words[2 * row + 1] = hex === '' ? 0 : Number.parseInt(hex.substring(at, at + 8), 16)
  words[2 * row] = hex === '' ? 0 : Number.parseInt(hex.substring(at + 8, at + 16), 16)
}

function putNs(words: Uint32Array, row: number, ns: bigint): void {
  words[2 * row] = Number(BigInt.asUintN(32, ns))
  words[2 * row + 1] = Number(ns >> 32n)
}

/** JSON with keys in ascending order, at every depth. */
export function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${sortedJson(inner)}`).join()}}`
}
