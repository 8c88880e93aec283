import type { Component } from '../trace/component.ts'
import { charactersOf, columnsOf, headOf } from './text-width.ts'

/** Kind and name, as people are shown it. */
export function componentLabel({ kind, name }: Component): string {
  return `${kind === 'network' ? 'transit' : kind} ${printable(name)}`
}

/** Control characters, line separators, and what turns the direction of writing. */
const STEERING = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** Names come from anywhere: nothing in them may steer the terminal. */
export function printable(text: string): string {
  return text.replace(STEERING, ' ')
}

/** Padded to the width in columns, or cut in the middle: both ends of a name tell something. */
export function fitted(text: string, width: number): string {
  const columns = columnsOf(text)
  if (columns <= width) return text + ' '.repeat(width - columns)
  const characters = charactersOf(text)
  const head = headOf(characters, Math.ceil((width - 3) / 2)).join('')
  const tail = headOf(characters.toReversed(), Math.floor((width - 3) / 2))
    .reverse()
    .join('')
  const short = `${head}...${tail}`
  // Half a wide character is left over.
  return short + ' '.repeat(width - columnsOf(short))
}
