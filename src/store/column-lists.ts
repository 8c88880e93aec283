import { createWords, pushWord, type WordList, wordsIn } from '../analysis/word-list.ts'

/** Values of a column while they are gathered, as src/store/native-writer.ts wants them. */

/** Texts that come again and again: a number a value. */
export type CodedTexts = {
  texts: string[]
  codes: WordList
  codeOf(text: string): number
  push(text: string): void
}

export function createCodedTexts(): CodedTexts {
  const known = new Map<string, number>()
  const list: CodedTexts = {
    texts: [],
    codes: createWords(),
    codeOf(text) {
      let code = known.get(text)
      if (code === undefined) {
        code = list.texts.push(text) - 1
        known.set(text, code)
      }
      return code
    },
    push(text) {
      pushWord(list.codes, list.codeOf(text))
    },
  }
  return list
}

export function codedColumn({ texts, codes }: CodedTexts): { texts: readonly string[]; codes: Uint32Array } {
  return { texts, codes: wordsIn(codes) }
}

/** The code of the text that a number stands for; `textOf` is asked once a number. */
export function codesById(of: CodedTexts, textOf: (id: number) => string): (id: number) => number {
  const codes: number[] = []
  return (id) => (codes[id] ??= of.codeOf(textOf(id)))
}

/** The same where it is known how many values there are: whoever gathers them puts the codes. */
export function codedTexts(count: number): {
  texts: string[]
  codes: Uint32Array
  codeOf(text: string): number
} {
  const { texts, codeOf } = createCodedTexts()
  return { texts, codes: new Uint32Array(count), codeOf }
}
