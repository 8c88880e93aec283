/** Columns of what is printed. */
export const WIDTH = 80

/** Lines of at most 80 columns, words that are longer are cut in pieces; the first begins with `head`, the others with spaces. */
export function wrapped(text: string, head: string, indent: number): string[] {
  const lines: string[] = []
  let line = head
  let empty = true
  for (const word of wordsOf(text, WIDTH - Math.max(head.length, indent))) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
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
  const pieces = new RegExp(`.{1,${longest}}`, 'gsu')
  return text.split(' ').flatMap((word) => (word.length <= longest ? [word] : (word.match(pieces) ?? [])))
}
