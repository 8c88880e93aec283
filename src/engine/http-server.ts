import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Session } from 'chdb'
import { readBody, spoolBody, sweepSpool } from './body.ts'
import { helloBlock, isHello } from './hello.ts'
import { RefusedStatement } from './refused.ts'
import { quoteText, readSettings, setStatements } from './settings.ts'
import { parseStatement, type Statement } from './statement.ts'

/** Statements that run at the same time; more wait their turn. */
const CONCURRENT = 8
/** Statements that may wait. */
const WAITING = 256
const DEFAULT_FORMAT = 'TabSeparated'
/** Formats whose chunks may be joined: no header, no footer. Others are answered whole. */
const STREAMABLE = new Set(
  'Native TabSeparated TSV TabSeparatedRaw TSVRaw JSONEachRow JSONLines NDJSON JSONCompactEachRow JSONStringsEachRow JSONCompactStringsEachRow CSV RowBinary Values LineAsString'
    .toLowerCase()
    .split(' '),
)

export type EngineServer = { port: number; close(): Promise<void> }

/**
 * Serves the subset of ClickHouse's HTTP interface that its clients, curl and Grafana's data source use. Every request
 * gets a session of its own: settings stick to sessions, and one session runs one statement at a time.
 */
export async function serveEngine(
  openSession: () => Session,
  options: { host: string; port: number; password?: string | undefined },
): Promise<EngineServer> {
  sweepSpool()
  const turns = createTurns()
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => sendError(response, error))
  })
  server.requestTimeout = 0
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    refuseForeign(request)
    const url = new URL(request.url ?? '/', 'http://engine')
    if (url.pathname === '/ping' || (url.pathname === '/' && request.method === 'GET' && url.search === '')) {
      response.end('Ok.\n')
      return
    }
    if (url.pathname !== '/') throw new RefusedStatement(`no such path ${url.pathname}`, 404, 'NOT_FOUND')
    const user = userOf(request, url.searchParams, options.password)
    const reader = request.method !== 'POST' || user === 'reader'
    const settings = readSettings(url.searchParams)
    const given = url.searchParams.get('query') ?? ''
    let statement: Statement
    let text = given
    if (given.trim() === '') {
      text = (await readBody(request)).toString('utf8')
      if (text.trim() === '') throw new RefusedStatement('Empty query', 62, 'SYNTAX_ERROR')
      statement = parseStatement(text)
    } else {
      statement = parseStatement(given)
    }
    if (reader && settings.settings.some(([name]) => name === 'readonly')) {
      settings.settings = settings.settings.filter(([name]) => name !== 'readonly')
    }
    const queryId = url.searchParams.get('query_id') ?? randomUUID()
    response.setHeader('X-ClickHouse-Query-Id', queryId)
    response.setHeader('X-ClickHouse-Server-Display-Name', 'longpole')
    response.setHeader('X-ClickHouse-Timezone', 'UTC')

    const session = await turns.take(openSession)
    try {
      const database = url.searchParams.get('database') ?? header(request, 'x-clickhouse-database')
      if (database) session.query(`USE ${quoteName(database)}`)
      for (const set of setStatements(settings)) session.query(set)
      // Last, since it forbids further settings.
      if (reader) session.query('SET readonly = 1')
      if (statement.kind === 'insert-data') {
        await insert(session, statement, given === '' ? undefined : request)
        response.setHeader('X-ClickHouse-Summary', JSON.stringify({ read_rows: '0', written_rows: '0' }))
        response.end()
        return
      }
      if (given !== '' && request.method === 'POST') {
        const rest = (await readBody(request)).toString('utf8')
        if (rest.trim() !== '')
          throw new RefusedStatement('a body beside a query without data', 62, 'SYNTAX_ERROR')
      }
      const format =
        url.searchParams.get('default_format') ?? header(request, 'x-clickhouse-format') ?? DEFAULT_FORMAT
      if (format === 'Native' && isHello(statement.text)) {
        const version = String(session.query('SELECT version()', 'TabSeparated')).trim()
        const revision = Number(url.searchParams.get('client_protocol_version') ?? 0)
        await send(response, [helloBlock(version, revision)], wantsGzip(request, url.searchParams))
        return
      }
      await select(session, statement.text, {
        rows: statement.rows,
        format,
        gzip: wantsGzip(request, url.searchParams),
        response,
      })
    } finally {
      session.close()
      turns.giveBack()
    }
  }

  /** Data goes through a file: inlined into the statement, what follows a blank line would run as SQL. */
  async function insert(
    session: Session,
    statement: Statement & { kind: 'insert-data' },
    body: IncomingMessage | undefined,
  ) {
    const file = await spoolBody(Buffer.from(statement.inline), body)
    try {
      if (file.bytes === 0) return
      await session.queryAsync(
        `${statement.head} FROM INFILE ${quoteText(file.path)} COMPRESSION 'none' ${statement.settings} FORMAT ${statement.format}`,
      )
    } finally {
      await file.remove()
    }
  }
}

async function select(
  session: Session,
  text: string,
  to: { rows: boolean; format: string; gzip: boolean; response: ServerResponse },
): Promise<void> {
  const { response } = to
  const format = /\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[\s\S]*)?$/i.exec(text)?.[1] ?? to.format
  response.setHeader('X-ClickHouse-Format', format)
  response.setHeader('Content-Type', contentType(format))
  if (!to.rows || !STREAMABLE.has(format.toLowerCase())) {
    const result = await session.queryAsync(text, { format })
    response.setHeader('X-ClickHouse-Summary', JSON.stringify({ read_rows: String(result.rowsRead) }))
    await send(response, [result.bytes()], to.gzip)
    return
  }
  const stream = session.queryStream(text, { format })[Symbol.asyncIterator]()
  // The first chunk decides between an error with its status and an answer.
  const first = await stream.next()
  response.setHeader('X-ClickHouse-Summary', JSON.stringify({ read_rows: '0' }))
  await send(response, chunksOf(first, stream), to.gzip)
}

type Chunk = { raw(): Uint8Array }

async function* chunksOf(
  first: IteratorResult<Chunk>,
  rest: AsyncIterator<Chunk>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; !next.done; next = await rest.next()) {
      // The chunk's memory is the engine's and goes with it.
      yield Buffer.from(next.value.raw())
    }
  } finally {
    await rest.return?.()
  }
}

async function send(
  response: ServerResponse,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  gzip: boolean,
): Promise<void> {
  if (!gzip) return pipeline(chunks, response)
  response.setHeader('Content-Encoding', 'gzip')
  return pipeline(chunks, createGzip({ level: 1 }), response)
}

/** Only programs on this machine: a web page can send requests here (its Origin shows), or rebind a name to loopback. */
function refuseForeign(request: IncomingMessage): void {
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':')
  if (host !== 'localhost' && !isAddress)
    throw new RefusedStatement('Host is not this machine', 497, 'ACCESS_DENIED')
  if (request.headers.origin !== undefined || header(request, 'sec-fetch-site') === 'cross-site') {
    throw new RefusedStatement('requests from web pages are refused', 497, 'ACCESS_DENIED')
  }
}

const USERS = new Set(['', 'default', 'reader'])

/** @throws RefusedStatement where there is no such user, or the password is not `password` */
function userOf(request: IncomingMessage, parameters: URLSearchParams, password: string | undefined): string {
  const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  const [basicUser, ...basicPassword] = Buffer.from(basic ?? '', 'base64')
    .toString('utf8')
    .split(':')
  const user = header(request, 'x-clickhouse-user') ?? parameters.get('user') ?? basicUser!
  const given = header(request, 'x-clickhouse-key') ?? parameters.get('password') ?? basicPassword.join(':')
  if (!USERS.has(user) || (password !== undefined && !isSame(given, password))) {
    throw new RefusedStatement(`no user ${user}, or not this password`, 516, 'AUTHENTICATION_FAILED')
  }
  return user
}

/** How long it takes says nothing about either. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

function wantsGzip(request: IncomingMessage, parameters: URLSearchParams): boolean {
  const enabled = ['1', 'true'].includes(parameters.get('enable_http_compression') ?? '0')
  return enabled && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
}

function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/g, (sign) => `\\${sign}`)}\``
}

function contentType(format: string): string {
  if (/^JSON(Strings|Compact\w*)?$/i.test(format)) return 'application/json; charset=UTF-8'
  if (/^(JSON\w*EachRow|JSONLines|NDJSON)/i.test(format)) return 'application/x-ndjson; charset=UTF-8'
  if (/^(Native|RowBinary|Arrow|Parquet)/i.test(format)) return 'application/octet-stream'
  if (/^CSV/i.test(format)) return 'text/csv; charset=UTF-8'
  return 'text/tab-separated-values; charset=UTF-8'
}

/** `Query failed: Code: 60. DB::Exception: Unknown table ... (UNKNOWN_TABLE)` */
const ENGINE_ERROR = /Code: (\d+)\. (?:DB::)+Exception: [\s\S]*/

function sendError(response: ServerResponse, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  const found = ENGINE_ERROR.exec(message)
  const code = error instanceof RefusedStatement ? error.code : Number(found?.[1] ?? 1000)
  const text =
    error instanceof RefusedStatement
      ? `Code: ${code}. DB::Exception: ${message}. (${error.type})`
      : (found?.[0] ?? `Code: ${code}. DB::Exception: ${message}. (POCO_EXCEPTION)`)
  if (response.headersSent) {
    // Too late for a status: cut the connection, so that nobody takes half an answer for a whole one.
    response.destroy()
    return
  }
  response.removeHeader('Content-Encoding')
  response.writeHead(statusOf(code), {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(code),
  })
  response.end(`${text}\n`)
}

/** The statuses of ClickHouse's own server, for the codes that its clients look at. */
const STATUS: Readonly<Record<number, number>> = {
  60: 404,
  81: 404,
  404: 404,
  46: 404,
  47: 404,
  164: 403,
  497: 403,
  516: 401,
  202: 503,
  241: 500,
  243: 500,
  999: 500,
  1000: 500,
}
function statusOf(code: number): number {
  return STATUS[code] ?? 400
}

/** Lets CONCURRENT statements run; others wait in line. */
function createTurns() {
  let running = 0
  const line: (() => void)[] = []
  return {
    async take(open: () => Session): Promise<Session> {
      if (running >= CONCURRENT) {
        if (line.length >= WAITING) {
          throw new RefusedStatement('Too many simultaneous queries', 202, 'TOO_MANY_SIMULTANEOUS_QUERIES')
        }
        await new Promise<void>((resolve) => line.push(resolve))
      } else running++
      try {
        return open()
      } catch (error) {
        this.giveBack()
        throw error
      }
    },
    giveBack(): void {
      const next = line.shift()
      if (next === undefined) running--
      else next()
    },
  }
}
