import { RefusedStatement } from './refused.ts'

/** `name`: an identifier in quotes, which stand for nothing but the identifier. `sign`: one character. */
export type Token = { kind: 'word' | 'name' | 'string' | 'sign'; text: string }

/** In the order in which they are tried. */
const RULES: readonly [kind: Token['kind'] | 'gap', pattern: RegExp][] = [
  ['gap', /[\t\n\v\f\r ]+|--[^\n]*|#[ !][^\n]*/y],
  ['string', /'(?:[^'\\]|\\[\s\S]|'')*'/y],
  // Without escapes: `fi\x6ce` is a way to write file.
  ['name', /`(?:[^`\\]|``)*`|"(?:[^"\\]|"")*"/y],
  ['word', /\w+/y],
  ['sign', /[!%&()*+,./:;<=>?@[\]^{|}~-]/y],
]

/**
 * Splits a statement by the rules of ClickHouse's lexer, less what nobody needs and what could be read in two ways:
 * heredocs and names with a `$`, typographic quotes, escapes in quoted names.
 *
 * @throws RefusedStatement where a part is none of what is known here
 */
export function readTokens(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    if (text.startsWith('/*', at)) {
      at = endOfComment(text, at)
      continue
    }
    const from = at
    for (const [kind, pattern] of RULES) {
      pattern.lastIndex = from
      const found = pattern.exec(text)?.[0]
      if (found === undefined) continue
      at += found.length
      if (kind === 'name') tokens.push({ kind, text: unquoted(found) })
      else if (kind !== 'gap') tokens.push({ kind, text: found })
      break
    }
    if (at === from) {
      const near = text.slice(at, at + 20)
      throw new RefusedStatement(`not understood here: ${JSON.stringify(near)}`, 62, 'SYNTAX_ERROR')
    }
  }
  return tokens
}

/** Comments of this kind nest. */
function endOfComment(text: string, from: number): number {
  let depth = 0
  for (const { 0: mark, index } of text.slice(from).matchAll(/\/\*|\*\//g)) {
    depth += mark === '/*' ? 1 : -1
    if (depth === 0) return from + index + 2
  }
  throw new RefusedStatement('a comment without an end', 62, 'SYNTAX_ERROR')
}

function unquoted(name: string): string {
  const quote = name[0]!
  return name.slice(1, -1).replaceAll(quote + quote, quote)
}
