import type { ShapeFields } from '../trace/shape.ts'

/** What a span's name says about it. */
export const IS_POOL_WAIT = 1
export const IS_TRANSACTION = 2

/** `pool.acquire`, `pg-pool.connect`, `HikariPool.getConnection`; not `carpool.get`. */
const POOL =
  /(?:(?:^|[^A-Za-z])(?:(?:db|pg|sql|jdbc|hikari|conn|connection)?pool)|Pool)(?:ed)?[ ._:/-]*(?:[Aa]cquire|[Ww]ait|[Cc]onnect|[Cc]heckout|[Bb]orrow|[Gg]et(?![a-z]))/
/** `wait for connection`, `acquire a database connection` */
const CONNECTION_WAIT =
  /\b(?:acquir(?:e|ing)|wait(?:ing)?|borrow(?:ing)?|checkout)[ ._:-]*(?:for )?(?:an? )?(?:(?:free|idle|db|database) )?conn(?:ection)?\b/i
/** `HikariDataSource.getConnection`, `db.getConnection`: whose `get` may be anything else's, unless it says so. */
const GET_CONNECTION =
  /(?:^|[^A-Za-z])get[ ._:-]*(?:(?:db|database) )?conn(?:ection)?\b|(?<=[a-z])[Gg]etConnection\b/i
const OF_DATABASE =
  /(?:^|[^A-Za-z])(?:db|database|sql|jdbc|jpa|r2dbc|orm|pg|postgres|mysql|redis|mongo|c3p0|dbcp)(?![a-z])|data[ _-]?source|hikari/i
/** `transaction`, `prisma:client:transaction`, `TransactionInterceptor.invoke`; not `/transaction`, `process transaction`. */
const TRANSACTION =
  /^(?:[\w-]+[.:])*(?:(?:begin|start|commit|run|execute|within?|in|db|database|sql|jdbc|jpa|read|write|only|new)[ _-]?)*transaction(?:al)?(?![a-z])(?:[.:]\w+)*$|\btransaction(?:al)?interceptor\b|\btransactiontemplate\b/i
/** What a driver's span is called: `BEGIN`, `COMMIT`, `start transaction`. */
const TRANSACTION_QUERY = /\btransaction\b|^(?:begin|commit|rollback)\b/i

/** By name and attributes: what calls a service or serves one is none of these, whatever it is called. */
export function marksOf({
  kind,
  name,
  dbSystem,
  httpMethod,
  httpRoute,
  rpcMethod,
  messagingSystem,
}: ShapeFields) {
  if (kind !== 'INTERNAL' && (kind !== 'CLIENT' || dbSystem === '')) return 0
  if (httpMethod !== '' || httpRoute !== '' || rpcMethod !== '' || messagingSystem !== '') return 0
  const isOfDatabase = dbSystem !== '' || OF_DATABASE.test(name)
  const isPoolWait =
    POOL.test(name) || CONNECTION_WAIT.test(name) || (isOfDatabase && GET_CONNECTION.test(name))
  const isTransaction = dbSystem === '' ? TRANSACTION.test(name) : TRANSACTION_QUERY.test(name)
  return (isPoolWait ? IS_POOL_WAIT : 0) | (isTransaction ? IS_TRANSACTION : 0)
}

/** Queries that change nothing; others must keep their order. */
const READING =
  /^\s*\(?\s*(select|with|get|mget|getrange|strlen|exists|ttl|hget|hgetall|hmget|hkeys|hvals|hlen|smembers|sismember|scard|lrange|llen|lindex|zrange|zrangebyscore|zscore|zcard|zcount|find|aggregate|scan|query|match|show|\{ ?\?)/i
/** `with gone as (delete from ...) insert into ...`; what takes locks; `findAndModify`, `GETDEL`. */
const WRITING =
  /^\s*with\b.*\b(insert\s+into|update|delete\s+from|merge\s+into)\b|\bfor\s+(no\s+key\s+)?(update|share)\b|^\s*(find\w*(modify|update|replace|delete|remove)|get(set|del|ex)\b)/is
const WRITES = new Set(
  'insert update delete merge upsert replace set put post patch create begin commit rollback start call exec execute add remove save send publish submit upload cancel register pay charge refund drop alter truncate'.split(
    ' ',
  ),
)
/** `INSERT item`, `CreateOrder`, `mongodb.insert`, `Orders/PutItem`; not `postgresql`, `Settings`. */
const FIRST_WORDS = /(?:^|[./])(?:[A-Z]+(?![a-z])|[A-Z]?[a-z]+)/g

export function isReading(query: string): boolean {
  return READING.test(query) && !WRITING.test(query)
}

export function isWriting(name: string): boolean {
  return name.match(FIRST_WORDS)?.some((word) => WRITES.has(word.replace(/^[./]/, '').toLowerCase())) ?? false
}

export function isReadingCall(method: string, name: string): boolean {
  return method === '' ? !isWriting(name) : method === 'GET' || method === 'HEAD'
}

/** `POST /audit`, `SendEmail`, `metrics.example`; not `catalog`, `biometrics`, `tracks`. */
const AFTERWARDS = new Set(
  'audit audits auditing auditlog analytics metric metrics notify notifies notification notifications notifier email emails mail mails mailer smtp webhook webhooks track tracking tracker telemetry newsletter newsletters log logs logger logging indexer indexing reindex'.split(
    ' ',
  ),
)
/** `sendEmail`, `HTTPLog`, `audit-log` */
const WORDS = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g

/** Of a write: what it is for, by what it is called. */
export function isForAfterwards(text: string): boolean {
  return text.match(WORDS)?.some((word) => AFTERWARDS.has(word.toLowerCase())) ?? false
}
