/** Reads CSV. */
import { NAMED, shaped, type Table, type TableCell } from './cells'

/** RFC 4180: cells in quotes hold anything, a doubled quote is a quote. */
export function readCsv(text: string, separator: string, cut: boolean): Table | null {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let isQuoted = false
  for (let place = 0; place < text.length; place++) {
    const letter = text[place]!
    if (isQuoted) {
      if (letter !== '"') cell += letter
      else if (text[place + 1] === '"') cell += text[++place]!
      else isQuoted = false
    } else if (letter === '"' && cell === '') isQuoted = true
    else if (letter === separator) {
      row.push(cell)
      cell = ''
    } else if (letter === '\n') {
      rows.push([...row, cell.endsWith('\r') ? cell.slice(0, -1) : cell])
      row = []
      cell = ''
    } else cell += letter
  }
  if (!cut && (cell !== '' || row.length > 0)) rows.push([...row, cell])
  const [columns, ...data] = rows
  return columns ? shaped(columns, data.map((cells) => cells.map(toNumber))) : null
}

/** What is written with zeros in front, or with more digits than a number holds, is a name. */
function toNumber(text: string): TableCell {
  if (text === '') return null
  if (NAMED.has(text)) return NAMED.get(text)!
  return /^-?(0|[1-9]\d{0,15})(\.\d+)?([eE][-+]?\d{1,3})?$/.test(text) ? Number(text) : text
}
