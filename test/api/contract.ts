import { z } from 'zod'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Schema = { [key: string]: Json }

/** What /openapi.json says about an answer, made strict: a property that it does not name is a lie as well. */
export function schemaOf(openapi: Schema, path: string, method: string, status: number): z.ZodType {
  const at = (value: Json, ...keys: string[]) => keys.reduce((v, key) => (v as Schema)[key]!, value)
  const schema = at(
    openapi,
    'paths',
    path,
    method,
    'responses',
    String(status),
    'content',
    'application/json',
    'schema',
  )
  return z.fromJSONSchema(strict(schema, openapi) as never)
}

function strict(value: Json, openapi: Schema): Json {
  if (Array.isArray(value)) return value.map((item) => strict(item, openapi))
  if (typeof value !== 'object' || value === null) return value
  if (typeof value.$ref === 'string') {
    const name = value.$ref.split('/').at(-1)!
    return strict(((openapi.components as Schema).schemas as Schema)[name]!, openapi)
  }
  const { type } = value
  // The converter knows one type at a time.
  if (Array.isArray(type)) {
    return {
      anyOf: type.map((one) => strict(one === 'null' ? { type: 'null' } : { ...value, type: one }, openapi)),
    }
  }
  const open = 'properties' in value && !('additionalProperties' in value)
  const entries = Object.entries(value).map(([key, item]) => [key, strict(item, openapi)])
  return { ...Object.fromEntries(entries), ...(open ? { additionalProperties: false } : {}) }
}
