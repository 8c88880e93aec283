import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Session } from 'chdb'
import { closeServer } from '../close-server.ts'
import { select, send, sendError } from './answer.ts'
import { openSpool, readBody, type Spool, type SpooledBody } from './body.ts'
import { hasFailedWrites, writesFailed } from './failed-writes.ts'
import { helloBlock, isHello } from './hello.ts'
import { RefusedStatement } from './refused.ts'
import { quoteText, type RequestSettings, readSettings, setStatements } from './settings.ts'
import { parseStatement, type Statement } from './statement.ts'
import { createTurns } from './turns.ts'
import { header, refuseForeign, userOf } from './users.ts'

/** As ClickHouse has it (http_max_uri_size): parameters of a statement are in the URL, endpoints by name among them. */
const MOST_HEADER_BYTES = 1024 * 1024
/** Statements that run at the same time; more wait their turn. */
const CONCURRENT = 8
/** Of them those of readers: however slow a dashboard is, spans are taken. */
const CONCURRENT_READERS = 5
const DEFAULT_FORMAT = 'TabSeparated'

export type EngineServer = {
  port: number
  /**
   * A file of data put into this directory is inserted by a request that names it (`spooled`), without a body; a file that
   * a query names (`spool_answer`) is written there instead of an answer.
   */
  spool: string
  /** Once the requests under way are answered. */
  close(): Promise<void>
}

/**
 * Serves the subset of ClickHouse's HTTP interface that its clients, curl and Grafana's data source use. Every request
 * gets a session of its own: settings stick to sessions, and one session runs one statement at a time.
 */
export async function serveEngine(
  openSession: () => Session,
  options: {
    host: string
    port: number
    password?: string | undefined
    /** What went wrong with a request, whoever asked. */
    onError?(error: unknown): void
  },
): Promise<EngineServer> {
  const spool = openSpool()
  const turns = createTurns(CONCURRENT)
  const readerTurns = createTurns(CONCURRENT_READERS)
  const server = createServer({ maxHeaderSize: MOST_HEADER_BYTES }, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      options.onError?.(error)
      sendError(response, error)
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    spool: spool.directory,
    async close() {
      await closeServer(server)
      spool.close()
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    refuseForeign(request)
    const url = new URL(request.url ?? '/', 'http://engine')
    if (url.pathname === '/ping' || (url.pathname === '/' && request.method === 'GET' && url.search === '')) {
      response.end('Ok.\n')
      return
    }
    if (url.pathname !== '/') throw new RefusedStatement(`no such path ${url.pathname}`, 404, 'NOT_FOUND')
    const parameters = url.searchParams
    const user = userOf(request, parameters, options.password)
    const isReader = request.method !== 'POST' || user === 'reader'
    const settings = readSettings(parameters)
    // All of the request is here before it takes its turn.
    const { statement, data } = await readRequest(request, parameters, spool, { user, isReader })
    response.setHeader('X-ClickHouse-Query-Id', parameters.get('query_id') ?? randomUUID())
    response.setHeader('X-ClickHouse-Server-Display-Name', 'longpole')
    response.setHeader('X-ClickHouse-Timezone', 'UTC')
    try {
      if (isReader) await readerTurns.take()
      try {
        await turns.take()
        let session: Session | undefined
        try {
          session = openSession()
          prepare(session, databaseOf(request, parameters), settings, isReader)
          await execute(session, statement, data, spool, request, response, parameters)
        } finally {
          session?.close()
          turns.giveBack()
        }
      } finally {
        if (isReader) readerTurns.giveBack()
      }
    } finally {
      await data?.remove()
    }
  }
}

/** The statement is in the URL, its data in the body; or both are in the body; or its data is in the spool. */
async function readRequest(
  request: IncomingMessage,
  parameters: URLSearchParams,
  spool: Spool,
  { user, isReader }: { user: string; isReader: boolean },
): Promise<{ statement: Statement; data: SpooledBody | undefined }> {
  const inUrl = parameters.get('query') ?? ''
  const isInBody = inUrl.trim() === ''
  const text = isInBody ? (await readBody(request)).toString('utf8') : inUrl
  if (text.trim() === '') throw new RefusedStatement('Empty query', 62, 'SYNTAX_ERROR')
  const statement = parseStatement(text)
  if (isReader && !(statement.kind === 'query' && statement.reads)) {
    throw new RefusedStatement('readers may only read', 164, 'READONLY')
  }
  const spies = statement.kind === 'query' ? statement.spies : 'no'
  const isInSystem = databaseOf(request, parameters) === 'system'
  if (user === 'reader' && (spies === 'yes' || (spies === 'in-system' && isInSystem))) {
    throw new RefusedStatement('readers do not see what others run', 497, 'ACCESS_DENIED')
  }
  if (isReader && parameters.has('spool_answer')) {
    throw new RefusedStatement('readers are answered, no file is written', 164, 'READONLY')
  }
  const spooled = parameters.get('spooled')
  if (statement.kind === 'insert-data' && spooled === null) {
    const inline = Buffer.from(statement.inline)
    return { statement, data: await spool.receive(inline, isInBody ? undefined : request) }
  }
  const isAlone =
    isInBody || request.method !== 'POST' || (await readBody(request)).toString('utf8').trim() === ''
  if (!isAlone) throw new RefusedStatement('a body beside a query without data', 62, 'SYNTAX_ERROR')
  if (statement.kind !== 'insert-data' || spooled === null) return { statement, data: undefined }
  if (statement.inline !== '') throw new RefusedStatement('data beside that in the spool', 62, 'SYNTAX_ERROR')
  return { statement, data: await spool.find(spooled) }
}

function databaseOf(request: IncomingMessage, parameters: URLSearchParams): string | undefined {
  return parameters.get('database') ?? header(request, 'x-clickhouse-database')
}

function prepare(
  session: Session,
  database: string | undefined,
  { settings, params }: RequestSettings,
  isReader: boolean,
): void {
  if (database) session.query(`USE ${quoteName(database)}`)
  const allowed = isReader ? settings.filter(([name]) => name !== 'readonly') : settings
  for (const set of setStatements({ settings: allowed, params })) session.query(set)
  // Last, since it forbids further settings.
  if (isReader) session.query('SET readonly = 1')
}

async function execute(
  session: Session,
  statement: Statement,
  data: SpooledBody | undefined,
  spool: Spool,
  request: IncomingMessage,
  response: ServerResponse,
  parameters: URLSearchParams,
): Promise<void> {
  if (statement.kind === 'insert-data') {
    if (data !== undefined && data.bytes > 0) await insert(session, statement, data)
    await expectWritten(session)
    response.setHeader('X-ClickHouse-Summary', JSON.stringify({ read_rows: '0', written_rows: '0' }))
    response.end()
    return
  }
  const into = parameters.get('spool_answer')
  if (into !== null) {
    await spool.answer(into, async (path) => {
      await writeAnswer(session, statement.text, path)
      await expectWritten(session)
    })
    response.end()
    return
  }
  const format = parameters.get('default_format') ?? header(request, 'x-clickhouse-format') ?? DEFAULT_FORMAT
  const gzip = wantsGzip(request, parameters)
  if (format === 'Native' && isHello(statement.text)) {
    const version = String(session.query('SELECT version()', 'TabSeparated')).trim()
    const revision = Number(parameters.get('client_protocol_version') ?? 0)
    await send(response, [helloBlock(version, revision)], gzip)
    return
  }
  const beforeAnswer = statement.reads ? undefined : () => expectWritten(session)
  await select(session, statement.text, { rows: statement.rows, format, gzip, response, beforeAnswer })
}

/** What has been written so far is on its way to the disk. @throws RefusedStatement where some of it may not be */
async function expectWritten(session: Session): Promise<void> {
  if (await hasFailedWrites(session)) throw writesFailed()
}

/** Data goes through a file: inlined into the statement, what follows a blank line would run as SQL. */
async function insert(
  session: Session,
  { head, settings, format }: Statement & { kind: 'insert-data' },
  { path }: SpooledBody,
): Promise<void> {
  await session.queryAsync(
    `${head} FROM INFILE ${quoteText(path)} COMPRESSION 'none' ${settings} FORMAT ${format}`,
  )
}

/** `SELECT ... FORMAT Native`: the file is named before the format. */
const WITH_FORMAT = /^([\s\S]*\S)\s+(FORMAT\s+\w+)$/i

async function writeAnswer(session: Session, text: string, path: string): Promise<void> {
  const [, query, format] = WITH_FORMAT.exec(text) ?? []
  if (query === undefined)
    throw new RefusedStatement('a file takes a query with a format', 62, 'SYNTAX_ERROR')
  await session.queryAsync(`${query}\nINTO OUTFILE ${quoteText(path)} COMPRESSION 'none' ${format}`)
}

function wantsGzip(request: IncomingMessage, parameters: URLSearchParams): boolean {
  const enabled = ['1', 'true'].includes(parameters.get('enable_http_compression') ?? '0')
  return enabled && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
}

function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/g, (sign) => `\\${sign}`)}\``
}
