import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Engine, startEngine } from '../../src/engine/start.ts'
import { parseStatement } from '../../src/engine/statement.ts'
import { quiet } from '../support/store.ts'

const directory = mkdtempSync(join(tmpdir(), 'longpole-engine-'))
const SECRET = join(directory, 'secret.csv')
let engine: Engine

beforeAll(async () => {
  writeFileSync(SECRET, 'topsecret\n')
  engine = await startEngine({ dataDir: join(directory, 'data'), host: '127.0.0.1', port: 0, log: quiet })
  await ask('CREATE DATABASE spans')
})
afterAll(async () => {
  await engine?.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function ask(sql: string, headers: Record<string, string> = {}) {
  const answer = await fetch(engine.url, { method: 'POST', body: sql, headers })
  return { status: answer.status, text: await answer.text() }
}

it('takes parameters as long as ClickHouse does', async () => {
  // A statement of such a size would be refused.
  const text = 'é'.repeat(150_000)
  const answer = await fetch(`${engine.url}/?query=SELECT+{t:String}&param_t=${encodeURIComponent(text)}`)
  expect([answer.status, (await answer.text()).trim()]).toEqual([200, text])
})

it('takes parameters with signs of every kind', async () => {
  const text = `nul \0, it's "a" \\ {b:String} -- é\u{1F600}`
  // As @clickhouse/client writes it.
  const escaped = text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  const query = encodeURIComponent('SELECT hex({t:String}), {t:String} = {list:Array(String)}[1]')
  const answer = await fetch(
    `${engine.url}/?query=${query}&param_t=${encodeURIComponent(escaped)}&param_list=${encodeURIComponent(`['${escaped}']`)}`,
  )
  const hex = Buffer.from(text).toString('hex').toUpperCase()
  expect([answer.status, (await answer.text()).trim()]).toEqual([200, `${hex}\t1`])
})

describe('data that a request only names', () => {
  const insert = (name: string, body = 'INSERT INTO spans.named FORMAT TabSeparated') =>
    fetch(`${engine.url}/?spooled=${encodeURIComponent(name)}`, { method: 'POST', body })

  it('is inserted from the place that the engine has for it, which is closed to others', async () => {
    const spool = engine.spool()!
    expect(statSync(spool).mode & 0o777).toBe(0o700)
    await ask('CREATE TABLE spans.named (a String) ENGINE = Memory')
    writeFileSync(join(spool, 'mine'), 'one\ntwo\n')
    const answer = await insert('mine')
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    expect((await ask('SELECT a FROM spans.named ORDER BY a')).text).toBe('one\ntwo\n')
    // Whoever put it there takes it away.
    rmSync(join(spool, 'mine'))
    expect(readdirSync(spool)).toEqual([])
  })

  it('is nothing else', async () => {
    const spool = engine.spool()!
    await ask('CREATE TABLE IF NOT EXISTS spans.named (a String) ENGINE = Memory')
    const before = (await ask('SELECT count() FROM spans.named')).text
    symlinkSync(SECRET, join(spool, 'link'))
    for (const name of [
      'none',
      '',
      '.',
      '..',
      SECRET,
      `../../${SECRET}`,
      '../secret.csv',
      'link',
      'a'.repeat(65),
    ]) {
      const answer = await insert(name)
      expect([name, answer.status, await answer.text()]).toEqual([
        name,
        400,
        expect.stringContaining('Code: 107'),
      ])
    }
    writeFileSync(join(spool, 'more'), 'three\n')
    const twice = await insert('more', 'INSERT INTO spans.named FORMAT TabSeparated\nfour\n')
    expect([twice.status, await twice.text()]).toEqual([400, expect.stringContaining('data beside')])
    expect((await ask('SELECT count() FROM spans.named')).text).toBe(before)
    for (const name of ['link', 'more']) rmSync(join(spool, name))
  })

  it('has no place any more once the engine has stopped', async () => {
    const dataDir = join(directory, 'stopped')
    const other = await startEngine({ dataDir, host: '127.0.0.1', port: 0, log: quiet })
    const spool = other.spool()!
    expect(existsSync(spool)).toBe(true)
    await other.stop()
    expect([existsSync(spool), other.spool()]).toEqual([false, undefined])
  })
})

describe('an answer that is to be put into a file', () => {
  const NUMBERS = 'SELECT number FROM numbers(300000) FORMAT Native'
  const put = (name: string, body = NUMBERS, init: RequestInit = {}) =>
    fetch(`${engine.url}/?spool_answer=${encodeURIComponent(name)}`, { method: 'POST', body, ...init })
  const said = async (answer: Response) => [answer.status, await answer.text()]

  it('is the one that would have come, in the place that the engine has for it', async () => {
    const spool = engine.spool()!
    expect(await said(await put('answer'))).toEqual([200, ''])
    const sent = await fetch(engine.url, { method: 'POST', body: NUMBERS })
    const bytes = readFileSync(join(spool, 'answer'))
    expect(bytes.length).toBeGreaterThan(8 * 300_000)
    expect(bytes.equals(Buffer.from(await sent.arrayBuffer()))).toBe(true)
    const withSettings = 'SELECT 1 AS one SETTINGS max_threads = 1 FORMAT Native'
    expect(await said(await put('settings', withSettings))).toEqual([200, ''])
    expect(readFileSync(join(spool, 'settings')).length).toBeGreaterThan(0)
    rmSync(join(spool, 'settings'))
    // Nothing that is there is written over.
    expect(await said(await put('answer'))).toEqual([400, expect.stringContaining('Code: 504')])
    expect(readFileSync(join(spool, 'answer')).equals(bytes)).toBe(true)
    rmSync(join(spool, 'answer'))
    expect(readdirSync(spool)).toEqual([])
  })

  it('is put nowhere else, and not for readers', async () => {
    const spool = engine.spool()!
    const outside = join(directory, 'outside')
    symlinkSync(outside, join(spool, 'link'))
    for (const name of ['', '.', '..', outside, `../../${outside}`, '../outside', 'link', 'a'.repeat(65)]) {
      expect([name, ...(await said(await put(name)))]).toEqual([
        name,
        400,
        expect.stringContaining('Code: 504'),
      ])
    }
    const asReader = { headers: { 'X-ClickHouse-User': 'reader' } }
    expect(await said(await put('mine', NUMBERS, asReader))).toEqual([
      403,
      expect.stringContaining('readers'),
    ])
    const got = await fetch(`${engine.url}/?spool_answer=mine&query=${encodeURIComponent(NUMBERS)}`)
    expect(await said(got)).toEqual([403, expect.stringContaining('readers')])
    rmSync(join(spool, 'link'))
    expect([existsSync(outside), readdirSync(spool)]).toEqual([false, []])
  })

  it('leaves no file where there is none', async () => {
    const spool = engine.spool()!
    for (const query of [
      'SELECT throwIf(number = 200000) FROM numbers(300000) FORMAT Native',
      'SELECT number FROM nowhere FORMAT Native',
      'SELECT 1',
      "SELECT 1 INTO OUTFILE '/tmp/elsewhere' FORMAT Native",
      'CREATE TABLE spans.told (a String) ENGINE = Memory',
    ]) {
      const answer = await put('none', query)
      expect([query, answer.ok, readdirSync(spool)]).toEqual([query, false, []])
    }
  })
})

describe('what reaches out of the engine', () => {
  const file = `file('${SECRET}')`
  it.each([
    `SELECT * FROM ${file}`,
    `SELECT * FROM \`file\`('${SECRET}')`,
    `SELECT * FROM "fi\\x6ce"('${SECRET}')`,
    `SELECT * FROM file/* a /* nested */ comment */('${SECRET}')`,
    `SELECT * FROM file -- (\n('${SECRET}')`,
    `SELECT * FROM file # (\n('${SECRET}')`,
    `SELECT file('${SECRET}')`,
    `SELECT 1 IN ${file}`,
    `DESCRIBE ${file}`,
    // Signs that open a string in one reading and not in another.
    `SELECT 1 AS "'", * FROM ${file} AS "'"`,
    `SELECT $a$'$a$, * FROM ${file}, (SELECT $a$'$a$)`,
    `SELECT 1 /* /* */ ' */ */ , * FROM ${file} -- '`,
    `SELECT ‘'’, * FROM ${file} AS “'”`,
    // Names that are files.
    `SELECT * FROM '${SECRET}'`,
    `SELECT * FROM \`${SECRET}\``,
    `SELECT * FROM default.\`${SECRET}\``,
    `SELECT * FROM filesystem('${directory}')`,
    `CREATE DATABASE f ENGINE = Filesystem('${directory}')`,
    `CREATE DATABASE f ENGINE Filesystem('${directory}')`,
    `CREATE TABLE spans.f (a String) ENGINE = File(CSV, '${SECRET}')`,
    `CREATE TABLE spans.f (a String) ENGINE = URL('http://127.0.0.1/')`,
    `CREATE TABLE spans.f AS ${file}`,
    `CREATE FUNCTION f AS () -> ${file}`,
    `CREATE DICTIONARY spans.d (a String) PRIMARY KEY a SOURCE(FILE(path '${SECRET}' format 'CSV')) LAYOUT(FLAT())`,
    `INSERT INTO FUNCTION ${file} SELECT 1`,
    `INSERT INTO spans.f FROM INFILE '${SECRET}' FORMAT CSV`,
    `SELECT 1 INTO OUTFILE '${directory}/out.csv'`,
    `SELECT 1; SELECT * FROM ${file}`,
    `SELECT 1\0; SELECT * FROM ${file}`,
    'SYSTEM SHUTDOWN',
    "BACKUP DATABASE spans TO File('x')",
    "ATTACH TABLE spans.f FROM '/' (a String) ENGINE = Log",
    "SELECT * FROM url('http://127.0.0.1/', CSV, 'a String')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
  ])('is refused: %s', async (sql) => {
    const { status, text } = await ask(sql)
    expect(status, text).toBeGreaterThanOrEqual(400)
    expect(text).not.toContain('topsecret')
  })

  /** Table functions that stay within what is stored, or make rows up. */
  const HARMLESS = new Set(
    (
      'sqlstandardvalues dictionary format fuzzjson fuzzquery generaterandom generateseries generate_series input ' +
      'loop merge mergetreeanalyzeindexes mergetreeanalyzeindexesuuid mergetreeindex mergetreeprojection ' +
      'mergetreetextindex null numbers numbers_mt primes prometheusquery prometheusqueryrange timeseriesdata ' +
      'timeseriesmetrics timeseriessamples timeseriesselector timeseriestags values view viewexplain ' +
      'viewifpermitted zeros zeros_mt'
    ).split(' '),
  )
  const isRefused = (sql: string) => {
    try {
      parseStatement(sql)
      return false
    } catch {
      return true
    }
  }

  it('includes every table function and engine that is not known to be harmless', async () => {
    const names = async (table: string) =>
      (await ask(`SELECT name FROM system.${table}`)).text.trim().split('\n')
    const functions = await names('table_functions')
    expect(functions.length).toBeGreaterThan(50)
    const open = functions.filter((name) => !isRefused(`SELECT * FROM ${name}('x')`))
    expect(open.filter((name) => !HARMLESS.has(name.toLowerCase()))).toEqual([])

    const engines = [...new Set([...(await names('table_engines')), ...(await names('database_engines'))])]
    const allowed = engines.filter((name) => !isRefused(`CREATE TABLE t (a Int8) ENGINE = ${name}('x')`))
    expect(
      allowed.filter((name) => !/MergeTree$/.test(name) || name.startsWith('Replicated')).sort(),
    ).toEqual('Atomic Buffer Join Log Memory Merge Null Set StripeLog TinyLog'.split(' '))
  })
})

describe('what does not', () => {
  it.each([
    [
      `SELECT 1 AS "it's", 'file(1)' AS \`a/b\`, 'it''s \\'' /* file('x') */ -- url('x')`,
      "1\tfile(1)\tit\\'s \\'\n",
    ],
    ['SELECT 1;', '1\n'],
    ['-- first\n /* then */ select 1', '1\n'],
    ["(SELECT count() FROM system.tables WHERE engine = 'File')", '0\n'],
    ['WITH x AS (SELECT 2 AS source) SELECT source FROM x', '2\n'],
    ["SELECT '‘größe“$a$\\\\'", '‘größe“$a$\\\\\n'],
  ])('is answered: %s', async (sql, expected) => {
    expect(await ask(sql)).toEqual({ status: 200, text: expected })
  })
})

describe('users', () => {
  it('the reader sees nothing of what others run', async () => {
    const reader = { 'x-clickhouse-user': 'reader' }
    for (const sql of [
      'SELECT query FROM system.processes',
      'SELECT query FROM system . `processes`',
      'SELECT query FROM "system"."processes"',
      'SHOW PROCESSLIST',
      'show /* */ full processlist',
      "SELECT query FROM merge('system', '^proc.*')",
      "SELECT * FROM loop('system', 'processes')",
      'SELECT last_error_message FROM system.errors',
    ]) {
      expect((await ask(sql, reader)).status, sql).toBe(403)
    }
    const url = `${engine.url}/?user=reader&query=`
    for (const asked of [
      `${encodeURIComponent('SELECT query FROM system.{t:Identifier}')}&param_t=processes`,
      `${encodeURIComponent('SELECT last_error_message FROM errors')}&database=system`,
    ]) {
      expect((await fetch(url + asked)).status, asked).toBe(403)
    }
    expect((await ask('SELECT count() AS errors, 1 AS processed FROM system.one', reader)).status).toBe(200)
    expect((await fetch(`${url}${encodeURIComponent('SELECT 1 FROM one')}&database=system`)).status).toBe(200)
    expect((await ask('SELECT query FROM system.processes')).text).toContain('system.processes')
  })

  it('the reader reads and may not write, nor let itself', async () => {
    const reader = { 'x-clickhouse-user': 'reader' }
    await ask('CREATE TABLE spans.t (a Int8) ENGINE = MergeTree ORDER BY a')
    await ask('INSERT INTO spans.t SELECT 7')
    expect(await ask('SELECT a FROM spans.t', reader)).toEqual({ status: 200, text: '7\n' })
    for (const sql of [
      'INSERT INTO spans.t SELECT 8',
      'INSERT INTO spans.t FORMAT CSV\n8\n',
      'DROP TABLE spans.t',
      'TRUNCATE TABLE spans.t',
      'ALTER TABLE spans.t DELETE WHERE 1',
      'SET readonly = 0',
      'SELECT 1 SETTINGS readonly = 0',
      'CREATE TABLE spans.u (a Int8) ENGINE = Memory',
      'KILL QUERY WHERE 1',
      '/* */ kill QUERY WHERE 1 SYNC',
    ]) {
      expect((await ask(sql, reader)).status, sql).toBeGreaterThanOrEqual(400)
    }
    const viaGet = await fetch(`${engine.url}/?query=${encodeURIComponent('DROP TABLE spans.t')}`)
    expect(viaGet.status).toBeGreaterThanOrEqual(400)
    for (const sql of [
      'FROM spans.t SELECT a',
      '(SELECT a FROM spans.t)',
      'SHOW TABLES FROM spans',
      'USE spans',
    ]) {
      expect((await ask(sql, reader)).status, sql).toBe(200)
    }
    expect((await ask('SELECT a FROM spans.t')).text).toBe('7\n')
    expect((await ask('SELECT 1', { 'x-clickhouse-user': 'root' })).status).toBe(401)
  })

  it('give the password where there is one, in any of the usual ways', async () => {
    const password = 's/e:c r%et'
    const dataDir = join(directory, 'locked')
    const locked = await startEngine({ dataDir, host: '127.0.0.1', port: 0, password, log: quiet })
    try {
      const statusOf = async (query: string, headers: Record<string, string> = {}) =>
        (await fetch(`${locked.url}/?query=SELECT+1${query}`, { headers })).status
      const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
      expect(await statusOf('')).toBe(401)
      expect(await statusOf('&user=reader&password=wrong')).toBe(401)
      expect(await statusOf('', basic('reader:wrong'))).toBe(401)
      expect(await statusOf(`&user=reader&password=${encodeURIComponent(password)}`)).toBe(200)
      expect(await statusOf('', basic(`reader:${password}`))).toBe(200)
      expect(await statusOf('', { 'x-clickhouse-user': 'default', 'x-clickhouse-key': password })).toBe(200)
      const url = locked.url.replace('://', `://default:${encodeURIComponent(password)}@`)
      const client = createClient({ url })
      await client.command({ query: 'CREATE DATABASE through_client' })
      await client.close()
    } finally {
      await locked.stop()
    }
  })

  it('who only read do not keep what is inserted waiting', async () => {
    const ended: string[] = []
    const reader = { 'x-clickhouse-user': 'reader' }
    const readers = Array.from({ length: 16 }, () =>
      ask('SELECT sleep(1)', reader).then(() => ended.push('reader')),
    )
    await ask('INSERT INTO spans.t SELECT 9').then(() => ended.push('insert'))
    await Promise.all(readers)
    expect(ended).toHaveLength(17)
    expect(ended.at(-1)).toBe('reader')
  })

  it('are on this machine', async () => {
    const dataDir = join(directory, 'open')
    await expect(startEngine({ dataDir, host: '0.0.0.0', port: 0, log: quiet })).rejects.toThrow(
      'LONGPOLE_CLICKHOUSE_HTTP=0.0.0.0:0: the embedded engine answers this machine only',
    )
    expect((await ask('SELECT 1', { origin: 'http://127.0.0.1' })).status).toBe(403)
  })
})
