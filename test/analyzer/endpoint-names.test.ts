import { expect, it } from 'vitest'
import { createEndpointNames, ENDPOINTS_PER_SERVICE } from '../../src/analyzer/endpoint-names.ts'

const endpoint = (service: string, operation = 'GET /') => ({
  environment: 'production',
  namespace: 'shop',
  service,
  operation,
})

it('services beyond the limit are stored as (other), and so are their operations', () => {
  const names = createEndpointNames([], 3)
  for (const service of ['a', 'b', 'c']) expect(names.nameOf(endpoint(service))).toMatchObject({ service })
  for (const operation of ['GET /', 'POST /']) {
    expect(names.nameOf(endpoint('d', operation))).toEqual({ service: '(other)', operation: '(other)' })
  }
  expect(names.nameOf(endpoint('a', 'POST /'))).toMatchObject({ service: 'a', operation: 'POST /' })
  expect(names).toMatchObject({ capped: 2, cappedServices: 2 })
})

it('operations beyond the limit keep their service', () => {
  const names = createEndpointNames([], 1)
  for (let i = 0; i < ENDPOINTS_PER_SERVICE; i++) names.nameOf(endpoint('a', `op ${i}`))
  expect(names.nameOf(endpoint('a', 'one more'))).toEqual({ service: 'a', operation: '(other)' })
  expect(names.nameOf(endpoint('a', 'op 7'))).toMatchObject({ operation: 'op 7' })
  expect(names).toMatchObject({ capped: 1, cappedServices: 0 })
})

it('what is stored already counts, (other) itself does not', () => {
  const stored = [
    { Service: 'a', Operation: 'GET /' },
    { Service: '(other)', Operation: '(other)' },
    { Service: 'b', Operation: 'GET /' },
    { Service: 'c', Operation: 'GET /' },
  ]
  const names = createEndpointNames(stored, 2)
  expect(names.nameOf(endpoint('b'))).toMatchObject({ service: 'b' })
  expect(names.nameOf(endpoint('c'))).toMatchObject({ service: '(other)' })
})
