// Text that somebody else chose (names of datasets, words of other programs) as one harmless line: no line breaks that
// forge log lines, no escape sequences that move a terminal's cursor, no marks that turn the reading direction.

/** Control characters, line and paragraph separators, bidirectional marks, invisible blanks, halves of a character. */
const harmful =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu

/** The same text with each harmful character as `\n`, `\t`, `\x1b` or `\u202e`. */
export const oneLine = (text: string): string => text.replaceAll(harmful, spellOut)

/** The same JSON with each harmful character as `\u009b`: to a program it says the same. Not for text with line breaks. */
export const harmlessJson = (json: string): string =>
  json.replaceAll(harmful, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

function spellOut(character: string): string {
  switch (character) {
    case '\n':
      return '\\n'
    case '\r':
      return '\\r'
    case '\t':
      return '\\t'
    default: {
      const code = character.charCodeAt(0).toString(16)
      return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`
    }
  }
}
