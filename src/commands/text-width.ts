/** Characters that a terminal shows in two columns (Unicode's East Asian Width W and F, and emoji), nearly. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\u30a0-\u30ff\uff01-\uff60\uffe0-\uffe6]/u
/** ... and such as have no width of their own: accents, joiners. */
const NONE = /^[\p{M}\p{Cf}]+$/u
/** All that names usually have. */
const PLAIN = /^[\x20-\x7e]*$/

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** What a reader takes for characters: never half of one. */
export function charactersOf(text: string): string[] {
  return PLAIN.test(text) ? text.split('') : Array.from(graphemes.segment(text), ({ segment }) => segment)
}

/** Columns of a terminal that the text takes. */
export function columnsOf(text: string): number {
  if (PLAIN.test(text)) return text.length
  return charactersOf(text).reduce((sum, character) => sum + columnsOfOne(character), 0)
}

/** As much of the characters as fits into so many columns. */
export function headOf(characters: readonly string[], columns: number): string[] {
  let left = columns
  let taken = 0
  for (const character of characters) {
    left -= columnsOfOne(character)
    if (left < 0) break
    taken++
  }
  return characters.slice(0, taken)
}

function columnsOfOne(character: string): number {
  return WIDE.test(character) ? 2 : NONE.test(character) ? 0 : 1
}
