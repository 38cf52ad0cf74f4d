/** One line of a chart: `x` ascending, `y` of the same length. */
export interface Line {
  x: readonly number[]
  y: readonly number[]
}

/** The values of a line over a shared x: null breaks the line, undefined says that the line has no point at this x. */
export type Column = (number | null | undefined)[]

/** The colour of the bounds of a band: they carry its area and are no lines themselves. */
export const UNSEEN = '#00000000'

/** Aligns lines with different x over the sorted union of all x, as uPlot needs them. */
export function alignLines(lines: readonly Line[]): { x: number[]; columns: Column[] } {
  const x = union(lines.map((line) => line.x))
  return { x, columns: lines.map((line) => align(line, x)) }
}

function union(lists: readonly (readonly number[])[]): number[] {
  const longest = lists.reduce<readonly number[]>((a, b) => (b.length > a.length ? b : a), [])
  if (lists.every((list) => isSame(list, longest))) return distinct(longest)
  const all = Float64Array.from(lists.flat())
  return distinct(all.sort())
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a === b || (a.length === b.length && a.every((value, index) => value === b[index]))
}

function distinct(sorted: ArrayLike<number>): number[] {
  const out: number[] = []
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) out.push(sorted[i]!)
  return out
}

function align(line: Line, x: readonly number[]): Column {
  const column: Column = new Array(x.length).fill(undefined)
  let at = 0
  for (let i = 0; i < line.x.length; i++) {
    while (x[at]! < line.x[i]!) at += 1
    const value = line.y[i]!
    column[at] = Number.isFinite(value) ? value : null
  }
  return column
}
