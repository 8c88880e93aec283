import { describe, expect, it } from 'vitest'
import { componentOf } from '../../src/trace/component.ts'
import { operationOf } from '../../src/trace/operation.ts'
import { type AttributeMap, shapeFieldsFrom } from '../../src/trace/shape.ts'
import { componentsOf, draw } from '../draw.ts'

const charged = (kind: string, attributes: AttributeMap, name = 'span name') => {
  const { component } = componentOf(shapeFieldsFrom(kind, name, { 'service.name': 'shop' }, attributes))
  return `${component.kind} ${component.name}`
}

describe('what a span is charged to on its own', () => {
  it.each([
    ['CLIENT', { 'db.system.name': 'postgresql', 'db.namespace': 'orders' }, 'database postgresql/orders'],
    ['CLIENT', { 'db.system': 'mysql', 'db.name': 'stock' }, 'database mysql/stock'],
    ['INTERNAL', { 'db.system': 'redis', 'server.address': 'cache-1' }, 'database redis@cache-1'],
    ['CLIENT', { 'db.system.name': 'redis' }, 'database redis'],
    ['CLIENT', { 'db.system.name': '', 'db.system': 'redis' }, 'database redis'],
    ['SERVER', { 'db.system.name': 'postgresql' }, 'service shop'],
    [
      'PRODUCER',
      { 'messaging.system': 'kafka', 'messaging.destination.name': 'mail' },
      'messaging kafka/mail',
    ],
    ['PRODUCER', {}, 'messaging unknown/span name'],
    ['CLIENT', { 'messaging.system': 'sqs' }, 'messaging sqs/span name'],
    ['CONSUMER', { 'messaging.system': 'kafka' }, 'service shop'],
    ['CLIENT', { 'server.address': 'api.bank.example', 'peer.service': 'bank' }, 'external api.bank.example'],
    ['CLIENT', { 'peer.service': 'bank' }, 'external bank'],
    ['CLIENT', {}, 'external span name'],
    ['INTERNAL', {}, 'service shop'],
  ])('%s %j is %s', (kind, attributes, expected) => {
    expect(charged(kind, attributes)).toBe(expected)
  })

  it('a span without a service is of unknown_service', () => {
    expect(componentOf(shapeFieldsFrom('INTERNAL', 'x', {}, {})).component.name).toBe('unknown_service')
  })
})

describe('what other spans decide', () => {
  const picture = `
    A  ========
     B  ======
      C   ==
  `

  it('a CLIENT with a callee is transit', () => {
    expect(
      componentsOf(draw(picture, { B: { kind: 'CLIENT' }, C: { kind: 'SERVER', service: 't' } })),
    ).toEqual(['network s->t: 4 -> 4', 'service s: 2 -> 6', 'service t: 2 -> 6'])
  })

  it('a SERVER of the same service is a callee, a CONSUMER never is', () => {
    expect(componentsOf(draw(picture, { B: { kind: 'CLIENT' }, C: { kind: 'SERVER' } }))[0]).toMatch(
      'network s->s',
    )
    expect(
      componentsOf(draw(picture, { B: { kind: 'CLIENT' }, C: { kind: 'CONSUMER', service: 't' } })),
    ).toEqual(['external B: 6 -> 2', 'service s: 2 -> 6'])
  })

  it("a driver's own transport is the driver's", () => {
    const details = {
      B: { kind: 'CLIENT', attributes: { 'db.system.name': 'mongodb' } },
      C: { attributes: { 'net.peer.name': 'db-1' } },
    }
    expect(componentsOf(draw(picture, details))).toEqual(['database mongodb: 6 -> 2', 'service s: 2 -> 6'])
    expect(componentsOf(draw(picture, { ...details, C: {} }))).toContain('service s: 4 -> 4')
    const elsewhere = { ...details, C: { ...details.C, service: 't' } }
    expect(componentsOf(draw(picture, elsewhere))).toContain('service t: 2 -> 6')
  })

  it("transport below transport is the driver's too", () => {
    const columns = draw(
      `
      A  ========
       B  ======
        C  ====
         D  ==
    `,
      {
        B: { kind: 'CLIENT', attributes: { 'db.system.name': 'mongodb' } },
        C: { kind: 'CLIENT', attributes: { 'server.address': 'db-1' } },
        D: { attributes: { 'tls.cipher': 'x' } },
      },
    )
    expect(componentsOf(columns)).toEqual(['database mongodb: 6 -> 2', 'service s: 2 -> 6'])
  })
})

describe('endpoint names', () => {
  const named = (attributes: AttributeMap, name = 'x') =>
    operationOf(shapeFieldsFrom('SERVER', name, {}, attributes))

  it.each([
    [{ 'http.request.method': 'GET', 'http.route': '/a/:id' }, 'x', 'GET /a/:id'],
    [{ 'http.route': '/a/:id' }, 'x', '/a/:id'],
    [{ 'http.request.method': 'GET' }, 'GET /a', 'GET /a'],
    [{ 'rpc.method': 'Charge' }, 'x', 'Charge'],
    [{ 'messaging.destination.name': 'orders' }, 'x', 'orders'],
    [{}, 'GET /users/42/cart', 'GET /users/{id}/cart'],
    [{}, 'GET /users/42?x=1', 'GET /users/{id}?x=1'],
    [{}, 'GET /v2/users', 'GET /v2/users'],
    [{}, 'job 3F0C2D1E-aaaa-bbbb-cccc-0123456789ab', 'job {id}'],
    [{}, 'file 0123456789abcdef', 'file {id}'],
    [{}, 'file 0123456789abcde', 'file 0123456789abcde'],
  ])('%j %s is %s', (attributes, name, expected) => {
    expect(named(attributes, name)).toBe(expected)
  })
})
