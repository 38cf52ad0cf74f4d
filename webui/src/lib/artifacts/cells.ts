/** The cells of a table that a run keeps. Numbers that are not finite go by name in JSON and CSV. */

export type TableCell = string | number | boolean | null
export interface Table {
  columns: string[]
  rows: TableCell[][]
  /** How many columns the file has; the page shows the first of them. */
  width: number
}

const MAX_COLUMNS = 200
export const NAMED = new Map([['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity]])

/** The table with these rows, each as long as the columns. */
export function shaped(columns: string[], rows: unknown[][]): Table {
  const shown = columns.slice(0, MAX_COLUMNS)
  return { columns: shown, width: columns.length, rows: rows.map((row) => shown.map((_, place) => toCell(row[place]))) }
}

function toCell(value: unknown): TableCell {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' || typeof value === 'boolean') return value
  if (typeof value === 'string') return NAMED.get(value) ?? value
  return JSON.stringify(value)
}
