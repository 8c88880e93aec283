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

/** Of a share, in whole percent. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}

const UNITS: readonly [string, number][] = [
  ['ns', 1],
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
]

/** `412 ns`, `1.5 ms`, `12 s`: three digits are enough to compare. */
export function duration(ns: number): string {
  let text = ''
  for (const [unit, scale] of UNITS) {
    const value = ns / scale
    const rounded = Math.abs(value) < 1000 ? Number(value.toPrecision(3)) : Math.round(value)
    text = `${rounded} ${unit}`
    if (Math.abs(rounded) < 1000) break
  }
  return text
}
