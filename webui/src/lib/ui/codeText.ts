/** Messages of the tracker write code between backticks; the page shows such parts as code. */
export interface TextPart {
  text: string
  isCode: boolean
}

/** A backtick without a partner stays as it is. */
export function splitCode(message: string): TextPart[] {
  const parts = message.split(/`([^`\n]+)`/)
  return parts.map((text, index) => ({ text, isCode: index % 2 === 1 })).filter(({ text }) => text !== '')
}
