/** The content of a checkpoint: its variables, the values of one of them, and the differences to another checkpoint. */
import { count, figure } from '$lib/ui/format'
import { numberOf, type WireFloat } from '$lib/api/floats'
import { shellWord } from './snippets'
import type { Checkpoint, Variable, VariableDifference, VariableValues } from '$lib/api/types'

/** The settings in the address. Empty: the first variable, its usual slice, compared with the best, in stored order. */
export interface InspectSettings {
  inside: string
  variable: string
  slice: string
  with: string
  named: string
  by: string
}
export const CLOSED: InspectSettings = { inside: '', variable: '', slice: '', with: '', named: '', by: '' }
/** The value in the address for: compare with nothing. */
export const NO_COMPARISON = 'none'

export interface VariableRow {
  name: string
  variable: Variable
  change: VariableDifference | null
}
export interface VariableColumn {
  key: string
  label: string
  title?: string
  /** The value that rows are sorted by; null sorts last. */
  of: (row: VariableRow) => string | number | null
}

export const COLUMNS: readonly VariableColumn[] = [
  { key: 'name', label: 'Variable', of: (row) => row.name },
  { key: 'shape', label: 'Shape', title: 'Sorts by the number of values', of: (row) => sizeOf(row.variable.shape) },
  { key: 'dtype', label: 'Type', of: (row) => row.variable.dtype },
  ...(['mean', 'std', 'min', 'max', 'norm'] as const).map((key) => ({
    key, label: key[0]!.toUpperCase() + key.slice(1), of: (row: VariableRow) => numberOf(row.variable[key]),
  })),
]
export const CHANGES: readonly VariableColumn[] = [
  { key: 'difference', label: 'Difference', title: 'Norm of the difference', of: (row) => numberOf(row.change?.norm) },
  { key: 'relative', label: 'Relative', title: 'Norm of the difference, divided by the norm of the variable in the other checkpoint', of: (row) => numberOf(row.change?.relative) },
]

/** Keras numbers names per process, so a difference belongs to the variable with the same index in the collection. */
export function rowsOf(variables: readonly Variable[], differences: readonly VariableDifference[] = []): VariableRow[] {
  const byCollection = new Map<string, VariableDifference[]>()
  for (const difference of differences) byCollection.set(difference.collection, [...(byCollection.get(difference.collection) ?? []), difference])
  const paths = variables.map(plainName)
  return variables.map((variable, at) => ({
    name: paths.indexOf(paths[at]!) === paths.lastIndexOf(paths[at]!) ? paths[at]! : `${variable.collection}/${variable.index}:${variable.path}`,
    variable,
    change: byCollection.get(variable.collection)?.[variable.index] ?? null,
  }))
}

/** Returns the rows whose name holds the text, sorted by `by`: "norm" ascending, "-norm" descending, empty in stored order. */
export function filterAndSortRows(rows: readonly VariableRow[], named: string, by: string): VariableRow[] {
  const text = named.trim().toLowerCase()
  const kept = rows.filter((row) => row.name.toLowerCase().includes(text))
  const column = [...COLUMNS, ...CHANGES].find(({ key }) => key === by.replace('-', ''))
  const sign = by.startsWith('-') ? -1 : 1
  return column ? kept.sort((a, b) => sortPanels(column.of(a), column.of(b), sign)) : kept
}

/** The order after a click on a column's head: names ascending first and figures descending, then reversed, then stored order. */
export function nextOrder(by: string, key: string): string {
  const first = key === 'name' || key === 'dtype' ? key : `-${key}`
  if (by === first) return first === key ? `-${key}` : key
  return by.replace('-', '') === key ? '' : first
}

/** The checkpoint to compare with: the best, unless the address names another or none. */
export function comparedCheckpoint(checkpoints: readonly Checkpoint[], inside: string, choice: string): string | null {
  if (choice === NO_COMPARISON) return null
  const other = choice || checkpoints.find((checkpoint) => checkpoint.is_best && checkpoint.state === 'durable')?.id
  return other === inside ? null : (other ?? null)
}

export function checkpointLabel(checkpoint: Checkpoint): string {
  const marks = [...(checkpoint.aliases ?? []), checkpoint.is_best && 'best', checkpoint.is_pinned && 'pinned', checkpoint.ghost && 'abandoned'].filter(Boolean)
  return [`step ${count(checkpoint.step)}`, ...marks, checkpoint.id].join(' · ')
}

/** The text in the column of differences. */
export function describeChange(change: VariableDifference | null): string {
  if (!change) return '–'
  if (change.kind === 'differs') return change.norm == null ? `${count(change.changed)} ${change.changed === 1 ? 'value' : 'values'}` : figure(change.norm, 4)
  return { equal: 'equal', shape: 'another shape', dtype: 'another type', new: 'only in this checkpoint', missing: 'only in the other' }[change.kind]
}

/** "3.2 %"; empty where no number differs. */
export function formatRelative(change: VariableDifference | null): string {
  return change?.kind === 'differs' && change.relative != null ? `${figure(100 * numberOf(change.relative)!, 3)} %` : ''
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1)
}

/** The whole variable; of more than two axes the first two, such as the kernel of a convolution. */
export function usualSlice(shape: readonly number[]): string {
  return shape.length > 2 ? shape.map((_, axis) => (axis < 2 ? ':' : '0')).join(',') : ''
}

export type Layout =
  | { kind: 'none' | 'scalar' | 'vector' | 'more' }
  /** A tall picture is drawn lying: its first axis runs from left to right. */
  | { kind: 'picture'; rows: number; columns: number; lying: boolean }

/** Returns how the page shows a part of this shape; axes of length 1 do not count. */
export function layoutOf(part: readonly number[]): Layout {
  if (sizeOf(part) === 0) return { kind: 'none' }
  const sides = part.filter((side) => side !== 1)
  if (sides.length === 2) {
    const lying = sides[0]! > 2 * sides[1]!
    return { kind: 'picture', rows: sides[lying ? 1 : 0]!, columns: sides[lying ? 0 : 1]!, lying }
  }
  return { kind: sides.length === 0 ? 'scalar' : sides.length === 1 ? 'vector' : 'more' }
}

export function numbersOf(values: readonly WireFloat[]): number[] {
  return values.map((value) => numberOf(value) ?? NaN)
}

/** The values in the order of the pixels. */
export function pixelsOf(numbers: readonly number[], { rows, columns, lying }: { rows: number; columns: number; lying: boolean }): number[] {
  return lying ? numbers.map((_, at) => numbers[(at % columns) * rows + Math.floor(at / columns)]!) : [...numbers]
}

/** The largest absolute value: the ends of the colour scale. 1 where every value is 0. */
export function maxAbsolute(numbers: readonly number[]): number {
  const largest = numbers.reduce((most, number) => (Number.isFinite(number) ? Math.max(most, Math.abs(number)) : most), 0)
  return largest || 1
}

export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'a number' : shape.map(count).join(' x ')
}

/** Says which values the page shows. */
export function describePart({ shape, part, slice }: Pick<VariableValues, 'shape' | 'part' | 'slice'>): string {
  const from = slice ? ', counted from the start of the slice' : ''
  if (sizeOf(shape) !== sizeOf(part)) return `the first ${formatShape(part)} of ${formatShape(shape)}${from}; write a slice to see the others`
  return sizeOf(part) === 1 ? 'one value' : `all ${formatShape(shape)} values${from}`
}

/** The commands that print the same. */
export function inspectCommands(inside: string, other: string | null, variable: string | null, slice: string): string {
  const cut = slice ? ` --slice ${shellWord(slice)}` : ''
  const lines = [
    `keepbest checkpoint show ${shellWord(inside)}`,
    variable !== null && `keepbest checkpoint show ${shellWord(inside)} --variable ${shellWord(variable)}${cut}`,
    other !== null && `keepbest checkpoint diff ${shellWord(other)} ${shellWord(inside)}`,
  ]
  return lines.filter((line) => line !== false).join('\n')
}

function plainName(variable: Variable): string {
  return `${variable.collection}/${variable.path}`
}

function sortPanels(a: string | number | null, b: string | number | null, sign: number): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null)
  return a < b ? -sign : a > b ? sign : 0
}
