import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { Session } from 'chdb'
import { RefusedStatement } from './refused.ts'

/** Formats whose chunks may be joined: no header, no footer. Others are answered whole. */
const STREAMABLE = new Set(
  'Native TabSeparated TSV TabSeparatedRaw TSVRaw JSONEachRow JSONLines NDJSON JSONCompactEachRow JSONStringsEachRow JSONCompactStringsEachRow CSV RowBinary Values LineAsString'
    .toLowerCase()
    .split(' '),
)

/** Runs a statement and answers with its rows, as they come where the format allows it. */
export async function select(
  session: Session,
  text: string,
  to: {
    rows: boolean
    format: string
    gzip: boolean
    response: ServerResponse
    /** Of a statement without rows: whether what it did holds. */
    beforeAnswer?: (() => Promise<void>) | undefined
  },
): Promise<void> {
  const { response } = to
  const format = /\bFORMAT\s+(\w+)\s*(?:SETTINGS\b[\s\S]*)?$/i.exec(text)?.[1] ?? to.format
  response.setHeader('X-ClickHouse-Format', format)
  response.setHeader('Content-Type', contentType(format))
  if (!to.rows || !STREAMABLE.has(format.toLowerCase())) {
    const result = await session.queryAsync(text, { format })
    await to.beforeAnswer?.()
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

export async function send(
  response: ServerResponse,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  gzip: boolean,
): Promise<void> {
  if (!gzip) return pipeline(chunks, response)
  response.setHeader('Content-Encoding', 'gzip')
  return pipeline(chunks, createGzip({ level: 1 }), response)
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

export function sendError(response: ServerResponse, error: unknown): void {
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
