/** Sorts the rows of a table. */
import type { TableCell } from './cells'

/** Sorts by a column: numbers before texts, nothing and not-a-number at the end either way. */
export function sortRows(rows: readonly TableCell[][], column: number, down: boolean): TableCell[][] {
  return rows.toSorted((a, b) => compare(a[column] ?? null, b[column] ?? null, down ? -1 : 1))
}

const texts = new Intl.Collator(undefined, { numeric: true })

function compare(a: TableCell, b: TableCell, sign: number): number {
  const lasts = Number(isLast(a)) - Number(isLast(b))
  if (lasts !== 0 || isLast(a)) return lasts
  if (typeof a === 'string' && typeof b === 'string') return sign * texts.compare(a, b)
  if (typeof a === 'string' || typeof b === 'string') return sign * (typeof a === 'string' ? 1 : -1)
  return sign * (Number(a) - Number(b) || 0)
}

function isLast(value: TableCell): boolean {
  return value === null || Number.isNaN(value)
}
