const WIDTH = 80

/** Lines of at most 80 columns, but for words that are longer; the first begins with `head`, the others with spaces. */
export function wrapped(text: string, head: string, indent: number): string[] {
  const lines: string[] = []
  let line = head
  let empty = true
  for (const word of text.split(' ')) {
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
