/** Joins pieces of a trainer's output, which may be cut anywhere, into lines. */
export interface OutputPiece {
  seq: number
  stream: string
  text: string
}
export interface OutputLine {
  id: number
  stream: string
  text: string
}

export const MAX_LINES = 50_000
// Colours and cursor movements of a terminal: ESC [ … letter, and ESC ] … BEL.
// eslint-disable-next-line no-control-regex
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_])/g

/** The lines so far. The last line of a stream stays open until its newline comes. */
export class Output {
  private done: OutputLine[] = []
  private open = new Map<string, string>()
  private next = 0
  dropped = 0

  add(pieces: readonly OutputPiece[]): void {
    for (const piece of pieces) this.addText(piece.stream, piece.text)
    const over = this.done.length - MAX_LINES
    if (over <= 0) return
    this.dropped += over
    this.done = this.done.slice(over)
  }

  lines(): OutputLine[] {
    const open = [...this.open].filter(([, text]) => text !== '')
    return [...this.done, ...open.map(([stream, text], index) => ({ id: this.next + index, stream, text: shown(text) }))]
  }

  private addText(stream: string, text: string): void {
    const parts = ((this.open.get(stream) ?? '') + text).split('\n')
    this.open.set(stream, parts.pop()!)
    for (const part of parts) this.done.push({ id: this.next++, stream, text: shown(part) })
  }
}

/** The line as a terminal would leave it: text after the last carriage return (progress bars), without colours. */
function shown(line: string): string {
  const plain = line.replace(ESCAPES, '').replace(/\r+$/, '')
  return plain.slice(plain.lastIndexOf('\r') + 1).replace(/\t/g, '    ')
}
