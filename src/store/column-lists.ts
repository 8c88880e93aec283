import { createWords, pushWord, type WordList, wordsIn } from '../analysis/word-list.ts'

/** Values of a column while they are gathered, as src/store/native-writer.ts wants them. */

/** Texts that come again and again, each with a number. */
export type TextCodes = { texts: string[]; known: Map<string, number> }

/** A number a value. */
export type CodedTexts = TextCodes & { codes: WordList }

export function createCodedTexts(): CodedTexts {
  return { texts: [], known: new Map(), codes: createWords() }
}

export function codeOf({ texts, known }: TextCodes, text: string): number {
  let code = known.get(text)
  if (code === undefined) {
    code = texts.push(text) - 1
    known.set(text, code)
  }
  return code
}

export function pushText(list: CodedTexts, text: string): void {
  pushWord(list.codes, codeOf(list, text))
}

export function codedColumn({ texts, codes }: CodedTexts): { texts: readonly string[]; codes: Uint32Array } {
  return { texts, codes: wordsIn(codes) }
}

/** The code of the text that a number stands for; `textOf` is asked once a number. */
export function codesById(of: TextCodes, textOf: (id: number) => string): (id: number) => number {
  const codes: number[] = []
  return (id) => (codes[id] ??= codeOf(of, textOf(id)))
}

/** The same where it is known how many values there are: whoever gathers them puts the codes. */
export function codedTexts(count: number): TextCodes & { codes: Uint32Array } {
  return { texts: [], known: new Map(), codes: new Uint32Array(count) }
}
