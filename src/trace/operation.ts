import type { ShapeFields } from './shape.ts'

/** `3f0c2d1e-aaaa-bbbb-cccc-0123456789ab`, anywhere in the name. */
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi
/** A whole word of at least 16 hex digits: `0123456789abcdef`. */
const LONG_HEX_WORD = /\b[0-9a-f]{16,}\b/gi
/** `/users/42/orders`, `/users/42?full=1`: a path segment of digits only. */
const DIGIT_SEGMENT = /(?<=\/)\d+(?=$|[/?#\s])/g

/** A span name with what identifies one request taken out: `/users/42` -> `/users/{id}`. */
export function templateOf(name: string): string {
  return name.replace(UUID, '{id}').replace(DIGIT_SEGMENT, '{id}').replace(LONG_HEX_WORD, '{id}')
}

/** The operation part of the endpoint a sample that begins at such a span belongs to. */
export function operationOf(shape: ShapeFields): string {
  if (shape.httpRoute !== '')
    return shape.httpMethod === '' ? shape.httpRoute : `${shape.httpMethod} ${shape.httpRoute}`
  return shape.rpcMethod || shape.destination || templateOf(shape.name)
}

/** The finer level within a component: what a database was asked, else the span's name without ids. */
export function frameNameOf(shape: ShapeFields): string {
  return (shape.dbSystem === '' ? '' : shape.querySummary) || templateOf(shape.name)
}
