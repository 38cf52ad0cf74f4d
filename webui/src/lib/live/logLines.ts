/** Joins pieces of a trainer's output, which may be cut anywhere, into lines with their colours and levels. */
import { parseAnsi, PLAIN, sliceSpans, type Span, type SpanStyle } from './ansi'

export interface OutputPiece {
  seq: number
  stream: string
  text: string
  at: string
}
export type Level = 'error' | 'warning' | ''
export interface OutputLine {
  id: number
  stream: string
  text: string
  spans: Span[]
  level: Level
  /** When its piece was printed. */
  at: string
}

export const MAX_LINES = 50_000
/** keepbest's own messages come by the streams of the process too. */
const OWN = /^keepbest: /
const ERROR = /\b(?:error|critical|fatal|exception|traceback)\b|^[EF]\d{4}\s|\w(?:Error|Exception)\b/i
const WARNING = /(?:\b|[a-z])warn(?:ing)?\b|^W\d{4}\s/i

/** The lines so far. The last line of a stream stays open until its newline comes. */
export class Output {
  private done: OutputLine[] = []
  private open = new Map<string, { text: string; at: string }>()
  private styles = new Map<string, SpanStyle>()
  private next = 0
  dropped = 0

  add(pieces: readonly OutputPiece[]): void {
    for (const piece of pieces) this.addPiece(piece)
    const over = this.done.length - MAX_LINES
    if (over <= 0) return
    this.dropped += over
    this.done = this.done.slice(over)
  }

  lines(): OutputLine[] {
    const open = [...this.open].filter(([, { text }]) => text !== '')
    return [...this.done, ...open.map(([stream, { text, at }], index) => this.lineOf(this.next + index, stream, text, at).line)]
  }

  private addPiece({ stream, text, at }: OutputPiece): void {
    const parts = ((this.open.get(stream)?.text ?? '') + text).split('\n')
    this.open.set(stream, { text: parts.pop()!, at })
    for (const part of parts) {
      const { line, style } = this.lineOf(this.next++, stream, part, at)
      this.done.push(line)
      this.styles.set(stream, style)
    }
  }

  private lineOf(id: number, stream: string, raw: string, at: string): { line: OutputLine; style: SpanStyle } {
    const { spans, style } = parseAnsi(shown(raw), this.styles.get(stream) ?? PLAIN)
    const text = spans.map((span) => span.text).join('')
    return { line: { id, stream: OWN.test(text) ? 'keepbest' : stream, text, spans, level: levelOf(text), at }, style }
  }
}

export function levelOf(text: string): Level {
  if (ERROR.test(text)) return 'error'
  return WARNING.test(text) ? 'warning' : ''
}

/** The line as a terminal would leave it: of a progress bar the text after its last carriage return. */
function shown(line: string): string {
  const kept = line.replace(/\r+$/, '')
  return kept.slice(kept.lastIndexOf('\r') + 1).replace(/\t/g, '    ')
}

/** One row of the list: a line, or a part of one that is wider than the window. */
export interface OutputRow {
  key: string
  line: OutputLine
  from: number
  to: number
}

/** Cuts each line into rows of at most `columns` letters, at spaces where it can; without a limit a line is a row. */
export function outputRows(lines: readonly OutputLine[], columns: number | null): OutputRow[] {
  return lines.flatMap((line) => placesOf(line.text, columns).map(([from, to]) => ({ key: `${line.id}.${from}`, line, from, to })))
}

function placesOf(text: string, columns: number | null): [number, number][] {
  if (columns === null || text.length <= columns) return [[0, text.length]]
  const places: [number, number][] = []
  for (let from = 0; from < text.length; ) {
    const space = text.length - from > columns ? text.lastIndexOf(' ', from + columns - 1) : -1
    const to = space > from + columns / 2 ? space + 1 : Math.min(text.length, from + columns)
    places.push([from, to])
    from = to
  }
  return places
}

/** The index of the first row printed at or after a moment, else of the last. */
export function rowAt(rows: readonly OutputRow[], moment: string): number {
  const found = rows.findIndex(({ line }) => Date.parse(line.at) >= Date.parse(moment))
  return found < 0 ? rows.length - 1 : found
}

/** The indices of the rows whose line contains the words, whatever their case. A line counts once. */
export function findRows(rows: readonly OutputRow[], words: string): number[] {
  const wanted = words.toLowerCase()
  if (wanted === '') return []
  return rows.flatMap((row, index) => (row.from === 0 && row.line.text.toLowerCase().includes(wanted) ? [index] : []))
}

/** The spans of a row; those that match the words are marked. */
export function markedSpans({ line, from, to }: OutputRow, words: string): (Span & { isMatch: boolean })[] {
  const cuts = [from, ...placesOfWords(line.text, words).flat().filter((place) => place > from && place < to), to]
  const matches = placesOfWords(line.text, words)
  return cuts.slice(1).flatMap((end, index) => {
    const start = cuts[index]!
    const isMatch = matches.some(([first, last]) => first <= start && end <= last)
    return sliceSpans(line.spans, start, end).map((span) => ({ ...span, isMatch }))
  })
}

function placesOfWords(text: string, words: string): [number, number][] {
  const [within, wanted] = [text.toLowerCase(), words.toLowerCase()]
  const places: [number, number][] = []
  if (wanted === '' || within.length !== text.length) return places
  for (let at = within.indexOf(wanted); at >= 0; at = within.indexOf(wanted, at + wanted.length)) places.push([at, at + wanted.length])
  return places
}
