import { expect, it } from 'vitest'
import {
  IS_POOL_WAIT,
  IS_TRANSACTION,
  isForAfterwards,
  isReading,
  isReadingCall,
  marksOf,
} from '../../src/findings/names.ts'
import { shapeFieldsFrom } from '../../src/trace/shape.ts'

const POSTGRES = { 'db.system.name': 'postgresql' }
const marks = (kind: string, name: string, attributes: Record<string, string> = {}) =>
  marksOf(shapeFieldsFrom(kind, name, {}, attributes))

it.each([
  ['INTERNAL', 'pool.acquire', {}, true],
  ['INTERNAL', 'pg-pool.connect', {}, true],
  ['INTERNAL', 'HikariPool.getConnection', {}, true],
  ['INTERNAL', 'HikariDataSource.getConnection', {}, true],
  ['INTERNAL', 'wait for connection', {}, true],
  ['INTERNAL', 'acquire a database connection', {}, true],
  ['CLIENT', 'getConnection', POSTGRES, true],
  ['CLIENT', 'pool.acquire', POSTGRES, true],
  // A service of that name, and what it is asked.
  ['INTERNAL', 'GetConnection', {}, false],
  ['CLIENT', 'telephony.Lines/GetConnection', { 'rpc.method': 'GetConnection' }, false],
  ['INTERNAL', 'telephony.Lines/GetConnection', {}, false],
  ['INTERNAL', 'carpool.get', {}, false],
  ['INTERNAL', 'poolGetters', {}, false],
  ['SERVER', 'GET /pool/acquire', { 'http.request.method': 'GET' }, false],
  ['INTERNAL', 'reconnect', {}, false],
])('%s %s %j waits for a pool: %s', (kind, name, attributes, isWait) => {
  expect((marks(kind, name, attributes) & IS_POOL_WAIT) !== 0).toBe(isWait)
})

it.each([
  ['INTERNAL', 'transaction', {}, true],
  ['INTERNAL', 'prisma:client:transaction', {}, true],
  ['INTERNAL', 'db.transaction.run', {}, true],
  ['INTERNAL', 'TransactionInterceptor.invoke', {}, true],
  ['INTERNAL', 'run transaction', {}, true],
  ['CLIENT', 'BEGIN', POSTGRES, true],
  ['CLIENT', 'START TRANSACTION', POSTGRES, true],
  ['CLIENT', 'POST /transaction', { 'http.request.method': 'POST' }, false],
  ['CLIENT', 'POST /transaction', { 'http.method': 'POST' }, false],
  ['INTERNAL', 'POST /transaction', {}, false],
  ['INTERNAL', 'process transaction', {}, false],
  ['INTERNAL', 'transactions', {}, false],
  ['INTERNAL', 'begin checkout', {}, false],
])('%s %s %j is a transaction: %s', (kind, name, attributes, isTransaction) => {
  expect((marks(kind, name, attributes) & IS_TRANSACTION) !== 0).toBe(isTransaction)
})

it.each([
  ['POST /audit', true],
  ['SendEmail', true],
  ['send e-mail', true],
  ['PUT metrics.example', true],
  ['POST /logs', true],
  ['writeLog', true],
  ['PUT /catalog', false],
  ['POST /blog/{id}', false],
  ['POST /dialog', false],
  ['POST /biometrics', false],
  ['POST /tracks', false],
  ['PUT /auditorium', false],
])('%s can come after the answer: %s', (name, isLater) => {
  expect(isForAfterwards(name)).toBe(isLater)
})

it.each([
  ['SELECT a FROM b', true],
  ['with c as (select 1) select * from c', true],
  ['find orders', true],
  ['GetItem', true],
  ['CALL settle_orders(?)', false],
  ['EXEC settle_orders', false],
  ['SELECT a FROM b WHERE c = ? FOR UPDATE', false],
  ['select a from b for no key update skip locked', false],
  ['findAndModify orders', false],
  ['findOneAndUpdate', false],
  ['GETDEL ?', false],
  ['WITH d AS (DELETE FROM a RETURNING b) SELECT b FROM d', false],
])('%s only reads: %s', (query, isRead) => {
  expect(isReading(query)).toBe(isRead)
})

it.each([
  ['GET', 'GET', true],
  ['POST', 'search', false],
  ['', 'shop.CartService/GetCart', true],
  ['', 'shop.CartService/AddItem', false],
  ['', 'CALL settle_orders', false],
  ['', 'address', true],
])('a call %s %s only reads: %s', (method, name, isRead) => {
  expect(isReadingCall(method, name)).toBe(isRead)
})
