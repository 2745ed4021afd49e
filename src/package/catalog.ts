// The journal catalog, which `journalctl -x` shows below a message: made from the kinds of event. Pure.

export interface CatalogEntry {
  readonly kind: string
  /** 128 bits in hexadecimal. */
  readonly messageId: string
  readonly subject: string
  readonly explanation: string
}

const longestLine = 76

/** The text of /usr/lib/systemd/catalog/walkaway.catalog. Throws when two kinds share a message id, or one is not 128 bits. */
export function renderCatalog(entries: readonly CatalogEntry[]): string {
  const kindOf = new Map<string, string>()
  for (const { kind, messageId } of entries) {
    const other = kindOf.get(messageId)
    if (other !== undefined) throw new Error(`${kind} and ${other} have the same message id`)
    if (!/^[0-9a-f]{32}$/.test(messageId)) throw new Error(`${kind}: ${messageId} is not a message id`)
    kindOf.set(messageId, kind)
  }
  return `# The events of walkaway, for journalctl --catalog.\n\n${entries.map(renderEntry).join('\n')}`
}

const renderEntry = ({ kind, messageId, subject, explanation }: CatalogEntry): string =>
  [
    `-- ${messageId}`,
    `Subject: ${subject}`,
    'Defined-By: walkaway',
    'Documentation: man:walkaway(1)',
    '',
    ...fill(explanation, longestLine),
    '',
    `Event: ${kind}`,
    '',
  ].join('\n')

/** Breaks a text into lines of at most `width` characters, at blanks. */
function fill(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
