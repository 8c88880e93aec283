import { charactersOf, columnsOf, headOf } from './text-width.ts'

/** Columns of what is printed. */
export const WIDTH = 80

/** Lines of at most 80 columns, words that are longer are cut in pieces; the first begins with `head`, the others with spaces. */
export function wrapped(text: string, head: string, indent: number): string[] {
  const lines: string[] = []
  let line = head
  let empty = true
  for (const word of wordsOf(text, WIDTH - Math.max(head.length, indent))) {
    if (!empty && columnsOf(line) + 1 + columnsOf(word) > WIDTH) {
      lines.push(line)
      line = ' '.repeat(indent)
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line]
}

function wordsOf(text: string, longest: number): string[] {
  return text.split(' ').flatMap((word) => (columnsOf(word) <= longest ? [word] : piecesOf(word, longest)))
}

function piecesOf(word: string, longest: number): string[] {
  const pieces: string[] = []
  let rest = charactersOf(word)
  while (rest.length > 0) {
    // At least one, however wide.
    const taken = Math.max(1, headOf(rest, longest).length)
    pieces.push(rest.slice(0, taken).join(''))
    rest = rest.slice(taken)
  }
  return pieces
}
