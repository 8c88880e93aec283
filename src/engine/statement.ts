import { RefusedStatement } from './refused.ts'
import { readTokens, type Token } from './tokens.ts'

/** What a request asks the engine to do, as far as the server must know. */
export type Statement =
  /** Data comes with it: `head` is the INSERT up to where its data would be named, `inline` what stands in the text. */
  | { kind: 'insert-data'; head: string; settings: string; format: string; inline: string }
  | { kind: 'query'; text: string; rows: boolean; reads: boolean; spies: Spying }

/** Whether it could tell what others run: only if it is asked of the database `system`, where it names a table of there. */
export type Spying = 'no' | 'in-system' | 'yes'

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

/** What a statement may begin with. */
const STATEMENTS = new Set(
  (
    'SELECT WITH FROM INSERT CREATE ALTER DROP TRUNCATE RENAME EXCHANGE OPTIMIZE DELETE UPDATE SHOW DESCRIBE DESC ' +
    'EXPLAIN EXISTS CHECK USE SET KILL'
  ).split(' '),
)
/** Those of readers. The engine's own `readonly` lets them kill what others run. */
const READS = new Set('SELECT WITH FROM SHOW DESCRIBE DESC EXPLAIN EXISTS CHECK USE'.split(' '))

/**
 * Functions, table functions and sources that reach files, URLs, programs or other servers, or run text as SQL. The
 * engine's own list of table functions is compared with this one in test/engine/statement.test.ts.
 */
const REACHES_OUT = new Set(
  (
    'file filecluster filesystem url urlcluster s3 s3cluster gcs oss cosn hdfs hdfscluster azureblobstorage ' +
    'azureblobstoragecluster remote remotesecure cluster clusterallreplicas mysql postgresql mongodb redis sqlite ' +
    'odbc jdbc executable executablepool python arrowstream arrowflight ytsaurus kafka rabbitmq nats http clickhouse ' +
    'iceberg icebergcluster icebergs3 icebergs3cluster icebergazure icebergazurecluster iceberghdfs ' +
    'iceberghdfscluster iceberglocal iceberglocalcluster deltalake deltalakecluster deltalakes3 deltalakes3cluster ' +
    'deltalakeazure deltalakeazurecluster deltalakelocal hudi hudicluster paimon paimoncluster paimons3 ' +
    'paimons3cluster paimonazure paimonazurecluster paimonhdfs paimonhdfscluster paimonlocal eval source disk ' +
    'catboostevaluate aiclassify aiembed aiextract aigenerate aitranslate'
  ).split(' '),
)

/**
 * What tells the texts of statements that others run (there is one user for the engine), and functions that read tables whose
 * names are no names in the statement. So are `system.errors` and parameters that are identifiers.
 */
const OTHERS_STATEMENTS = new Set(['processes', 'processlist'])
const BY_ANOTHER_NAME = new Set(['merge', 'loop'])

/** Engines of tables and databases that keep what they have here. */
const ENGINES =
  /^((Replacing|Summing|Aggregating|Collapsing|VersionedCollapsing|Coalescing|Graphite)?MergeTree|Memory|Null|Log|TinyLog|StripeLog|Buffer|Merge|Join|Set|Atomic)$/i

/**
 * Takes a statement's text apart. INSERT data must never stay in the text (the engine runs what follows a blank line
 * as SQL), so an INSERT of a form not known here is refused.
 *
 * @throws RefusedStatement
 */
export function parseStatement(text: string): Statement {
  const bare = withoutLeadingComments(text)
  if (!/^INSERT\b/i.test(bare)) {
    const { verb, spies } = refuseReachingOut(bare)
    return {
      kind: 'query',
      text: bare.replace(/;\s*$/, ''),
      rows: ANSWERS_ROWS.test(bare),
      reads: READS.has(verb),
      spies,
    }
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
  return { kind: 'query', text: bare.replace(/;\s*$/, ''), rows: false, reads: false, spies: 'no' }
}

function withoutLeadingComments(text: string): string {
  let rest = text.trimStart()
  for (;;) {
    const comment = /^(?:--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)\s*/.exec(rest)
    if (comment === null) return rest
    rest = rest.slice(comment[0].length)
  }
}

/**
 * What the statement begins with, in capitals, and whether it could tell what others run. @throws RefusedStatement
 */
function refuseReachingOut(text: string): { verb: string; spies: Spying } {
  const tokens = readTokens(text)
  if (tokens.at(-1)?.text === ';') tokens.pop()
  const words = tokens.map(({ kind, text }) => (kind === 'word' ? text.toUpperCase() : ''))
  const first = tokens.findIndex(({ text }) => text !== '(')
  if (!STATEMENTS.has(words[first] ?? '')) throw denied(tokens[first]?.text ?? 'nothing')
  const isDefinition = words[first] === 'CREATE'
  let spies: Spying = 'no'
  tokens.forEach((token, i) => {
    const next = tokens[i + 1]
    if (isSign(token, ';')) throw new RefusedStatement('more than one statement', 62, 'SYNTAX_ERROR')
    if (isName(token) && isSign(next, '(') && REACHES_OUT.has(token.text.toLowerCase())) {
      throw denied(`${token.text}()`)
    }
    if (isName(token) && spies !== 'yes') spies = spyingOf(tokens, i) ?? spies
    if (words[i] === 'INTO' && words[i + 1] === 'OUTFILE') throw denied('INTO OUTFILE')
    if (words[i] === 'FROM' && words[i + 1] === 'INFILE') throw denied('FROM INFILE')
    if (isDefinition && words[i] === 'ENGINE') {
      const engine = isSign(next, '=') ? tokens[i + 2] : next
      if (engine !== undefined && isName(engine) && !ENGINES.test(engine.text)) throw denied(engine.text)
    }
  })
  return { verb: words[first]!, spies }
}

function spyingOf(tokens: readonly Token[], i: number): Spying | undefined {
  const [database, before, name, next] = [i - 2, i - 1, i, i + 1].map((at) => tokens[at]?.text.toLowerCase())
  if (OTHERS_STATEMENTS.has(name!) || (BY_ANOTHER_NAME.has(name!) && next === '(')) return 'yes'
  if (name === 'identifier' && before === ':') return 'yes'
  if (name === 'errors') return before === '.' && database === 'system' ? 'yes' : 'in-system'
  return undefined
}

function isName(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'name'
}

function isSign(token: Token | undefined, text: string): boolean {
  return token?.kind === 'sign' && token.text === text
}

function denied(what: string): RefusedStatement {
  return new RefusedStatement(`${what} is not allowed here`, 497, 'ACCESS_DENIED')
}
