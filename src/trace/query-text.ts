/**
 * Query text without its values, so that queries that differ in nothing else are one. The store does the same in SQL
 * (schema/, compared in test/store/detail.test.ts): the patterns keep to what both engines' regular expressions share.
 */

/** Text beyond this is not looked at, characters. */
export const LONGEST_QUERY = 4000
/** ... and this much of the result is kept. */
export const KEPT_QUERY = 400

/** Systems where double quotes are around names; elsewhere they are around values. */
export const NAME_QUOTING =
  /^(postgres|oracle|mssql|microsoft|sql_server|db2|ibm|sqlite|clickhouse|snowflake|redshift|aws\.redshift|cockroach|h2|hsqldb|derby|firebird|trino|presto|cassandra|hana|sap|other_sql)/

const COMMENT = String.raw`--[^\n]*|/\*(?:[^*]|\*+[^*/])*(?:\*+/|\**$)`
/** `$$...$$`; `$tag$...$tag$`, up to the next tag, whichever it is. */
const DOLLARS = String.raw`\$\$(?:[^$]|\$[^$])*(?:\$\$|$)|\$[A-Za-z_][A-Za-z0-9_]*\$(?:[^$]|\$(?:[A-Za-z_][A-Za-z0-9_]*)?[^$A-Za-z0-9_]|\$[0-9])*(?:\$(?:[A-Za-z_][A-Za-z0-9_]*)?(?:\$|$)|$)`
/** Oracle's `q'[it's]'`, `nq'!...!'`; a delimiter that is none of these: up to the end, for nothing may stay of a value. */
const DELIMITED = [
  ...['[]', '{}', '()', '<>'].map((pair) => delimited(pair[0]!, pair[1]!)),
  ...[...'!"#$%&*+,-./:;=?@\\^_`|~'].map((one) => delimited(one, one)),
  String.raw`[^' \t\r\n\f][\s\S]*`,
].join('|')
const Q_QUOTED = String.raw`\b[nN]?[qQ]'(?:${DELIMITED})`

function delimited(opening: string, closing: string): string {
  const [from, to] = [`\\x${hexOf(opening)}`, `\\x${hexOf(closing)}`]
  return `${from}(?:[^${to}]|${to}+[^${to}'])*(?:${to}+'|${to}*$)`
}

function hexOf(character: string): string {
  return character.charCodeAt(0).toString(16)
}

/** Strings, and in a group comments: `''` is put before what stays of either. */
const NAMES_QUOTED = new RegExp(
  String.raw`${Q_QUOTED}|\b[eE]'(?:[^'\\]|\\[\s\S]?|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|${DOLLARS}|(${COMMENT})`,
  'g',
)
const VALUES_QUOTED = new RegExp(
  String.raw`${Q_QUOTED}|'(?:[^'\\]|\\[\s\S]?|'')*(?:'|$)|"(?:[^"\\]|\\[\s\S]?|"")*(?:"|$)|${DOLLARS}|(${COMMENT})`,
  'g',
)
const MARKED_COMMENT = new RegExp(`''(?:${COMMENT})`, 'g')
/** `select ...`, `{"find": ...}`, also after comments; anything else is a command with arguments, as Redis has them. */
const LANGUAGE =
  /^(?:[ \t\r\n\f(]|--[^\n]*\n|\/\*(?:[^*]|\*+[^*/])*\*+\/)*(?:[[{]|(?:select|insert|update|delete|with|merge|replace|upsert|call|exec|execute|begin|start|commit|rollback|savepoint|create|alter|drop|truncate|explain|show|use|declare|lock|values|copy|match|from)(?:[^A-Za-z0-9_]|$))/i
/** `$1`, `$name`, `?`, `%s`, `:name`, `:1`, `@p0`: the value is elsewhere. Not so `"limit":5`, as JSON has it. */
const PLACEHOLDER =
  /\?|\$[A-Za-z0-9_{]|%s|%\(|(?:^|[^:A-Za-z0-9_'"]):[A-Za-z0-9_]|(?:^|[^@A-Za-z0-9_])@[A-Za-z0-9_]/
/** What sanitizers put in a value's place: `?`, `***`, `[REDACTED]`. */
const MASK = String.raw`\?{1,32}|\*{1,32}|[\[<]?(?:redacted|masked|filtered|hidden)[\]>]?`
const MASKED = new RegExp(`^(?:${MASK})?$`, 'i')
/** `"?"`, `GET [1 other arguments]`, what was cut (`...`), and a lone word (`find`): not all is said. */
const UNSAID = new RegExp(
  String.raw`['"](?:${MASK})\\?['"]|\[[0-9]+ other arguments?\]|(?:\.\.\.|…)[ \t\r\n\f]*$|^[ \t\r\n\f]*[A-Za-z0-9_.]*[ \t\r\n\f;]*$`,
  'i',
)
/** Their queries are documents; without one it is a command's name and a collection's. */
const DOCUMENT_SYSTEM = /^(mongo|documentdb)/
const VALUE =
  /''|%s|\b0x[0-9a-f]+\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|[$:@]p?_?[0-9]+\b|\b[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?\b/gi
const SPACES = /[ \t\r\n\f]+/g
/** `(?, ?, ?)` */
const LIST = /\( ?\?(?: ?, ?\?)* ?\)/g
const LISTS = /\(\?\.\.\)(?: ?, ?\(\?\.\.\))+/g
const COMMAND = /^[ \t\r\n\f]*([A-Za-z][A-Za-z0-9_.]{0,63})(?:[ \t\r\n\f]|$)/

/** Queries come again and again: this many are remembered. */
const REMEMBERED = 2000
const remembered = new Map<string, string>()

/** `select * from a where b in (1, 2)` -> `select * from a where b in (?..)`; `GET user:1` -> `GET ?`; '' for ''. */
export function normalizeQuery(text: string, system: string): string {
  if (text === '') return ''
  const key = `${system}\n${text}`
  let normal = remembered.get(key)
  if (normal === undefined) {
    normal = normalize(text, system)
    if (remembered.size === REMEMBERED) remembered.clear()
    if (text.length <= LONGEST_QUERY) remembered.set(key, normal)
  }
  return normal
}

/**
 * The name of a database's span without the values of a statement in it. What is no statement stays as it is, unless it
 * is the command that the span is for, with its arguments; `query`: its text, normalised.
 */
export function normalizeQueryName(name: string, system: string, query: string): string {
  if (LANGUAGE.test(name)) return normalizeQuery(name, system)
  if (!/[ \t\r\n\f]/.test(name)) return name
  const normal = normalizeQuery(name, system)
  return normal === query ? normal : name
}

function normalize(text: string, system: string): string {
  const cut = cutAt(text, LONGEST_QUERY)
  if (!LANGUAGE.test(cut)) {
    const command = COMMAND.exec(cut)?.[1] ?? ''
    return command === '' ? '?' : `${command} ?`
  }
  const normal = withoutStrings(cut, system)
    .replace(VALUE, '?')
    .replace(SPACES, ' ')
    .replace(LIST, '(?..)')
    .replace(LISTS, '(?..)')
    .replace(/^ | $/g, '')
  return cutAt(normal, KEPT_QUERY)
}

/**
 * Whether a query's text says all there is to know about it: no value is bound to it from elsewhere, or was taken out
 * of it before it came here.
 */
export function isWholeQuery(text: string, system: string): boolean {
  const cut = cutAt(text, LONGEST_QUERY)
  if (UNSAID.test(cut) || (DOCUMENT_SYSTEM.test(system) && !cut.includes('{'))) return false
  return !PLACEHOLDER.test(withoutStrings(cut, system))
}

/** Whether a value that is bound to a query says nothing: it is empty, or a sanitizer's. */
export function isMasked(value: string): boolean {
  return MASKED.test(value)
}

/** Strings as '', and no comments. */
function withoutStrings(text: string, system: string): string {
  const strings = NAME_QUOTING.test(system) ? NAMES_QUOTED : VALUES_QUOTED
  return text
    .replace(strings, (_, comment: string | undefined) => `''${comment ?? ''}`)
    .replace(MARKED_COMMENT, ' ')
}

/** The first `length` code points. */
function cutAt(text: string, length: number): string {
  if (text.length <= length) return text
  let cut = ''
  let count = 0
  for (const character of text) {
    if (count++ === length) break
    cut += character
  }
  return cut
}
