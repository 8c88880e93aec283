import { describe, expect, it } from 'vitest'
import { createDetailDictionary, detailFieldsOf, detailKeyFrom, figuresFrom } from '../../src/trace/detail.ts'
import { createDictionary, isFull } from '../../src/trace/dictionary.ts'
import { isWholeQuery, normalizeQuery } from '../../src/trace/query-text.ts'

describe('query text', () => {
  it.each([
    ['SELECT * FROM item WHERE id = 42', 'postgresql', 'SELECT * FROM item WHERE id = ?'],
    ['SELECT * FROM item WHERE id = $1', 'postgresql', 'SELECT * FROM item WHERE id = ?'],
    [
      "select a from t1 where b = 'it''s' and c in (1, 2,3)",
      'mysql',
      'select a from t1 where b = ? and c in (?..)',
    ],
    ["select '\\' from x', 'secret' from y", 'mysql', 'select ?, ? from y'],
    ["select '\\', 'secret' from y", 'postgresql', 'select ?, ? from y'],
    ["select e'\\'secret' from y", 'postgresql', 'select ? from y'],
    ['SELECT "User"."id" FROM "User"', 'postgresql', 'SELECT "User"."id" FROM "User"'],
    ['SELECT x FROM y WHERE z = "secret"', 'mysql', 'SELECT x FROM y WHERE z = ?'],
    ["SELECT 1 /* traceparent='00-ab' don't */ + 2 -- it's\n FROM t", 'mysql', 'SELECT ? + ? FROM t'],
    ["INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')", 'sqlite', 'INSERT INTO t VALUES (?..)'],
    ["INSERT INTO t VALUES ('unterminated secret", 'mysql', 'INSERT INTO t VALUES (?'],
    ["INSERT INTO t VALUES ('unterminated \\", 'mysql', 'INSERT INTO t VALUES (?'],
    ['select $$se$cret$$', 'postgresql', 'select ?'],
    ['select $tag$se$1 cr$ et$tag$, $1', 'postgresql', 'select ?, ?'],
    ["SELECT q'[it's a secret]', 1 FROM t", 'oracle.db', 'SELECT ?, ? FROM t'],
    ["SELECT nQ'!it's a secret!' || Q'{a}b'c}' FROM t", 'oracle', 'SELECT ? || ? FROM t'],
    ["SELECT q'|it's|', q'(a)b)' FROM t", 'x', 'SELECT ?, ? FROM t'],
    ["SELECT q'xit's a secretx' FROM t", 'oracle.db', 'SELECT ?'],
    ["SELECT q'[unterminated ' secret", 'oracle.db', 'SELECT ?'],
    // No such quotes: a word that ends in q.
    ["SELECT seq'[a' FROM t", 'oracle.db', 'SELECT seq? FROM t'],
    [
      '-- name: GetAuthor :one\nSELECT * FROM author WHERE id = $1',
      'postgresql',
      'SELECT * FROM author WHERE id = ?',
    ],
    ["/* criteria of 'a' */ /**/ (select b from c)", 'mysql', '(select b from c)'],
    ['  SELECT\n\t a ,  b  ', 'mysql', 'SELECT a , b'],
    ['GET user:123', 'redis', 'GET ?'],
    ['SET session:1 secret', 'redis', 'SET ?'],
    ['{"find": "orders", "filter": {"_id": "secret"}, "limit": 5}', 'mongodb', '{?: ?, ?: {?: ?}, ?: ?}'],
    ['secret-thing', 'x', '?'],
    ['', 'mysql', ''],
  ])('%s', (text, system, normal) => {
    expect(normalizeQuery(text, system)).toBe(normal)
  })

  it('is whole only without values that are bound from elsewhere', () => {
    expect(isWholeQuery('SELECT a FROM t WHERE b = 5', 'mysql')).toBe(true)
    expect(isWholeQuery("SELECT a FROM t WHERE b = 'what?'", 'mysql')).toBe(true)
    expect(isWholeQuery('SELECT a::int FROM t', 'postgresql')).toBe(true)
    for (const text of ['b = ?', 'b = $1', 'b = $name', 'b = :name', 'b = :1', 'b = @p0', 'b = %s']) {
      expect(isWholeQuery(`SELECT a FROM t WHERE ${text}`, 'postgresql')).toBe(false)
    }
  })

  it.each([
    ['{"query":{"match":{"title":"shoes"}},"size":10,"explain":true}', 'elasticsearch', true],
    ['{"query":{"match":{"title":"?"}},"size":10}', 'elasticsearch', false],
    ['{"query":{"match":{"title":"[REDACTED]"}}}', 'opensearch', false],
    ['{"find":"orders","filter":{"_id":"?"}}', 'mongodb', false],
    ['{"find":"orders","filter":{"_id":"7"}}', 'mongodb', true],
    ['find orders', 'mongodb', false],
    ['find', 'mongodb', false],
    ["SELECT a FROM t WHERE b = '?'", 'postgresql', false],
    ["SELECT a FROM t WHERE b = '***'", 'mysql', false],
    ["SELECT a FROM t WHERE b = 'why? ***'", 'mysql', true],
    ['GET user:7', 'redis', true],
    ['GET ?', 'redis', false],
    ['GET', 'redis', false],
    ['HGET user [1 other arguments]', 'redis', false],
    ['SELECT a, b FROM t WHERE c IN (1, 2...', 'mysql', false],
  ])('%s of %s says it all: %s', (text, system, whole) => {
    expect(isWholeQuery(text, system)).toBe(whole)
  })

  it('is cut at 400 characters', () => {
    expect(normalizeQuery(`SELECT ${'é'.repeat(500)}`, 'mysql')).toHaveLength(400)
  })
})

describe('detail', () => {
  it('of queries without end fills a dictionary, as shapes do', () => {
    expect(isFull({ shapeCount: 0, details: { count: 100_001 } })).toBe(true)
    expect(isFull({ shapeCount: 100_001, details: { count: 0 } })).toBe(true)
    expect(isFull(createDictionary())).toBe(false)
  })

  it('takes both generations of the semantic conventions', () => {
    const older = {
      'db.statement': 'select 1',
      'http.method': 'GET',
      'http.status_code': 503,
      'rpc.grpc.status_code': 8,
    }
    const newer = {
      'db.query.text': 'select 2',
      'http.request.method': 'GET',
      'http.response.status_code': 503,
      'rpc.response.status_code': 'OK',
    }
    expect(detailKeyFrom('CLIENT', older)).toBe(detailKeyFrom('CLIENT', newer))
    expect(detailFieldsOf(detailKeyFrom('CLIENT', older))).toMatchObject({
      query: 'select ?',
      method: 'GET',
      statusCode: '503',
    })
  })

  it.each([
    [
      'CLIENT',
      { 'server.address': 'a', 'server.port': 80, 'net.peer.name': 'b', 'url.full': 'http://c' },
      'a:80',
    ],
    ['CLIENT', { 'net.peer.name': 'b', 'net.peer.port': 6379 }, 'b:6379'],
    ['PRODUCER', { 'net.peer.name': 'b' }, 'b'],
    ['CLIENT', { 'http.url': 'https://user:secret@c.example:8443/d@e?f' }, 'c.example:8443'],
    ['CLIENT', { 'http.url': '/relative' }, ''],
    // Who calls a server has another port each time.
    ['SERVER', { 'net.peer.name': 'b', 'net.peer.port': 51234, 'http.url': 'http://c' }, ''],
  ])('of %s with %j calls %s', (kind, attributes, peer) => {
    expect(detailFieldsOf(detailKeyFrom(kind, attributes)).peer).toBe(peer)
  })

  it('has figures', () => {
    const one = figuresFrom({ 'http.request.body.size': 10, 'http.response.body.size': 700_000 })
    expect(one).toEqual({ bodyBytes: 700_000, returnedRows: 0, valueHash: 0 })
    expect(figuresFrom({ 'db.response.returned_rows': 7 }).returnedRows).toBe(7)
    const hash = (attributes: Record<string, unknown>) => figuresFrom(attributes).valueHash
    expect(hash({ 'db.query.text': 'select 1' })).not.toBe(0)
    expect(hash({ 'db.query.text': 'select 1' })).not.toBe(hash({ 'db.query.text': 'select 2' }))
    expect(hash({ 'db.query.text': 'select $1' })).toBe(0)
    const bound = { 'db.query.text': 'select $1', 'db.query.parameter.0': 'a' }
    expect(hash(bound)).not.toBe(0)
    expect(hash(bound)).not.toBe(hash({ ...bound, 'db.query.parameter.0': 'b' }))
    for (const masked of ['', '?', '***', '<redacted>']) {
      expect(hash({ ...bound, 'db.query.parameter.1': masked })).toBe(0)
    }
    expect(hash({ 'http.method': 'GET', 'http.url': 'http://a/1' })).not.toBe(0)
    expect(hash({ 'http.method': 'POST', 'http.url': 'http://a/1' })).not.toBe(0)
    expect(hash({ 'http.url': 'http://a/1' })).toBe(0)
    expect(figuresFrom({ 'messaging.message_payload_size_bytes': 9 }).bodyBytes).toBe(9)
  })

  it('is interned; nothing is 0', () => {
    const details = createDetailDictionary()
    expect(details.id(detailKeyFrom('CLIENT', { 'thread.name': 'main' }))).toBe(0)
    for (let i = 0; i < 1000; i++) details.id(detailKeyFrom('CLIENT', { 'http.status_code': i }))
    expect(details.count).toBe(1001)
    expect(details.fields(details.id(detailKeyFrom('CLIENT', { 'http.status_code': 429 }))).statusCode).toBe(
      '429',
    )
    expect(details.flags[details.id(detailKeyFrom('CLIENT', { 'http.status_code': 429 }))]).toBe(4)
  })
})
