/** What a request asks the engine to do, as far as the server must know. */
export type Statement =
  /** Data comes with it: `head` is the INSERT up to where its data would be named, `inline` what stands in the text. */
  | { kind: 'insert-data'; head: string; settings: string; format: string; inline: string }
  | { kind: 'query'; text: string; rows: boolean }

/** A statement that is refused, with the code and name ClickHouse has for it. */
export class RefusedStatement extends Error {
  readonly code: number
  readonly type: string
  constructor(message: string, code: number, type: string) {
    super(message)
    this.code = code
    this.type = type
  }
}

/** `insert into db.t (a, b) settings x = 1 format Native`, then its data. Identifiers may be quoted. */
const NAME = '(?:`[^`]+`|"[^"]+"|\\w+)'
const INSERT_DATA = new RegExp(
  `^(INSERT\\s+INTO\\s+(?:TABLE\\s+)?${NAME}(?:\\.${NAME})?\\s*(?:\\([^()]*\\))?)\\s*(SETTINGS\\s+[\\w\\s=,.']+?)?\\s*\\b(FORMAT\\s+(\\w+)|VALUES)(?=\\s|;|\\(|$)`,
  'i',
)
const INSERT_SELECT = new RegExp(
  `^INSERT\\s+INTO\\s+(?:TABLE\\s+)?${NAME}(?:\\.${NAME})?\\s*(?:\\([^()]*\\))?\\s*(?:SETTINGS\\s+[\\w\\s=,.']+?)?\\s*\\(?\\s*(?:SELECT|WITH)\\b`,
  'i',
)
/** What the engine can stream; SHOW, DESCRIBE and the like are answered whole. */
const ANSWERS_ROWS = /^\(*\s*(SELECT|WITH)\b/i

/** Functions, engines and sources that reach files, URLs, programs or other servers. */
const REACHES_OUT = new Set(
  (
    'file filecluster url urlcluster s3 s3cluster gcs oss cosn hdfs hdfscluster azureblobstorage ' +
    'azureblobstoragecluster remote remotesecure cluster clusterallreplicas mysql postgresql mongodb redis sqlite ' +
    'odbc jdbc executable executablepool python iceberg icebergs3 iceberglocal icebergcluster deltalake deltalakelocal ' +
    'hudi paimon ytsaurus arrowflight kafka rabbitmq nats s3queue azurequeue materializedpostgresql ' +
    'materializedmysql distributed http clickhouse filelog mergetreetextindex'
  ).split(' '),
)

/**
 * Takes a statement's text apart. INSERT data must never stay in the text (the engine runs what follows a blank line
 * as SQL), so an INSERT of a form not known here is refused.
 *
 * @throws RefusedStatement
 */
export function parseStatement(text: string): Statement {
  const bare = withoutLeadingComments(text)
  if (!/^INSERT\b/i.test(bare)) {
    refuseReachingOut(bare)
    return { kind: 'query', text: bare.replace(/;\s*$/, ''), rows: ANSWERS_ROWS.test(bare) }
  }
  const data = INSERT_DATA.exec(bare)
  if (data !== null) {
    refuseReachingOut(data[0])
    return {
      kind: 'insert-data',
      head: data[1]!,
      settings: data[2] ?? '',
      format: data[4] ?? 'Values',
      // One separator belongs to the text; everything behind it is data.
      inline: bare.slice(data[0].length).replace(/^[ \t]*;?\r?\n?/, ''),
    }
  }
  if (!INSERT_SELECT.test(bare)) {
    throw new RefusedStatement('INSERT of a form that is not understood here', 62, 'SYNTAX_ERROR')
  }
  refuseReachingOut(bare)
  return { kind: 'query', text: bare.replace(/;\s*$/, ''), rows: false }
}

function withoutLeadingComments(text: string): string {
  let rest = text.trimStart()
  for (;;) {
    const comment = /^(?:--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)\s*/.exec(rest)
    if (comment === null) return rest
    rest = rest.slice(comment[0].length)
  }
}

/** `'...'` with `\` and `''`, comments; what is left are words, quoted names and signs. */
const STRING_OR_COMMENT = /'(?:[^'\\]|\\[\s\S]|'')*'|--[^\n]*|\/\*[\s\S]*?\*\//g
const CALL = /[`"]?(\w+)[`"]?\s*\(/g
const OUTSIDE_CLAUSE = /\b(INTO\s+OUTFILE|FROM\s+INFILE|SYSTEM\s+|BACKUP\s+|RESTORE\s+|SOURCE\s*\()/i
const OUTSIDE_ENGINE = /\bENGINE\s*=?\s*[`"]?(\w+)/gi

function refuseReachingOut(text: string): void {
  const code = text.replace(STRING_OR_COMMENT, ' ')
  const clause = OUTSIDE_CLAUSE.exec(code)
  if (clause !== null) throw denied(clause[1]!.trim().toUpperCase())
  for (const pattern of [CALL, OUTSIDE_ENGINE]) {
    for (const match of code.matchAll(pattern)) {
      if (REACHES_OUT.has(match[1]!.toLowerCase())) throw denied(`${match[1]}()`)
    }
  }
}

function denied(what: string): RefusedStatement {
  return new RefusedStatement(`${what} reaches outside the engine and is not allowed`, 497, 'ACCESS_DENIED')
}
