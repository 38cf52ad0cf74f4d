/** Colours of a terminal (SGR escapes) as spans of a line. Every other escape is dropped. Pure. */
export interface SpanStyle {
  /** One of the 16 colours of a terminal: 0 to 7, and 8 to 15 for the bright ones. */
  color: number | null
  bold: boolean
  faint: boolean
  underlined: boolean
}
export interface Span {
  text: string
  style: SpanStyle
}

export const PLAIN: SpanStyle = { color: null, bold: false, faint: false, underlined: false }
// Colours and cursor movements: ESC [ … letter, ESC ] … BEL, and single letters behind ESC.
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])/g

/** Returns the spans of `text`, and the style that the next text begins with. */
export function parseAnsi(text: string, from: SpanStyle = PLAIN): { spans: Span[]; style: SpanStyle } {
  if (!text.includes('\x1b')) return { spans: text === '' ? [] : [{ text, style: from }], style: from }
  const spans: Span[] = []
  let style = from
  let at = 0
  const add = (part: string) => {
    const last = spans.at(-1)
    if (last?.style === style) last.text += part
    else if (part !== '') spans.push({ text: part, style })
  }
  for (const match of text.matchAll(ESCAPE)) {
    add(text.slice(at, match.index))
    if (match[2] === 'm') style = styleAfter(style, match[1]!)
    at = match.index + match[0].length
  }
  add(text.slice(at))
  return { spans, style }
}

function styleAfter(style: SpanStyle, codes: string): SpanStyle {
  const list = codes.split(';').map(Number)
  let next = style
  for (let index = 0; index < list.length; index++) {
    if (list[index] === 38 || list[index] === 48) {
      const [code, kind, value] = [list[index], list[index + 1], list[index + 2]]
      if (code === 38) next = { ...next, color: kind === 5 && value! < 16 ? value! : null }
      index += kind === 5 ? 2 : 4
    } else next = apply(next, list[index]!)
  }
  return same(next, style) ? style : same(next, PLAIN) ? PLAIN : next
}

function apply(style: SpanStyle, code: number): SpanStyle {
  if (code === 0) return PLAIN
  if (code === 1) return { ...style, bold: true }
  if (code === 2) return { ...style, faint: true }
  if (code === 4) return { ...style, underlined: true }
  if (code === 22) return { ...style, bold: false, faint: false }
  if (code === 24) return { ...style, underlined: false }
  if (code === 39) return { ...style, color: null }
  if (code >= 30 && code <= 37) return { ...style, color: code - 30 }
  return code >= 90 && code <= 97 ? { ...style, color: code - 82 } : style
}

function same(a: SpanStyle, b: SpanStyle): boolean {
  return a.color === b.color && a.bold === b.bold && a.faint === b.faint && a.underlined === b.underlined
}

/** The spans between two places of the line's text. */
export function sliceSpans(spans: readonly Span[], from: number, to: number): Span[] {
  let at = 0
  return spans.flatMap(({ text, style }) => {
    const start = at
    at += text.length
    const part = text.slice(Math.max(0, from - start), Math.max(0, to - start))
    return part === '' ? [] : [{ text: part, style }]
  })
}
