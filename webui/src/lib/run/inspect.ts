/** What is inside a checkpoint: rows of its variables, the values of one, and how another checkpoint differs. */
import { count, figure } from '$lib/ui/format'
import { numberOf, type WireFloat } from '$lib/api/floats'
import { shellWord } from './snippets'
import type { Checkpoint, Variable, VariableDifference, VariableValues } from '$lib/api/types'

/** What of the view is in the address. Empty: the first variable, its usual slice, beside the best, in stored order. */
export interface InspectSettings {
  inside: string
  variable: string
  slice: string
  with: string
  named: string
  by: string
}
export const CLOSED: InspectSettings = { inside: '', variable: '', slice: '', with: '', named: '', by: '' }
/** Says in the address that nothing is compared. */
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
  /** What rows are put in order by; null goes last. */
  of: (row: VariableRow) => string | number | null
}

export const COLUMNS: readonly VariableColumn[] = [
  { key: 'name', label: 'Variable', of: (row) => row.name },
  { key: 'shape', label: 'Shape', title: 'in order of how many values', of: (row) => sizeOf(row.variable.shape) },
  { key: 'dtype', label: 'Type', of: (row) => row.variable.dtype },
  ...(['mean', 'std', 'min', 'max', 'norm'] as const).map((key) => ({
    key, label: key[0]!.toUpperCase() + key.slice(1), of: (row: VariableRow) => numberOf(row.variable[key]),
  })),
]
export const CHANGES: readonly VariableColumn[] = [
  { key: 'difference', label: 'Difference', title: 'norm of the difference', of: (row) => numberOf(row.change?.norm) },
  { key: 'relative', label: 'Relative', title: 'that norm over the norm of the one compared with', of: (row) => numberOf(row.change?.relative) },
]

/** Keras numbers names per process: a difference belongs to the variable in its place in the collection. */
export function rowsOf(variables: readonly Variable[], differences: readonly VariableDifference[] = []): VariableRow[] {
  const places = new Map<string, VariableDifference[]>()
  for (const difference of differences) places.set(difference.collection, [...(places.get(difference.collection) ?? []), difference])
  const paths = variables.map(plainName)
  return variables.map((variable, at) => ({
    name: paths.indexOf(paths[at]!) === paths.lastIndexOf(paths[at]!) ? paths[at]! : `${variable.collection}/${variable.index}:${variable.path}`,
    variable,
    change: places.get(variable.collection)?.[variable.index] ?? null,
  }))
}

/** The rows whose name holds the text, in the order that `by` says: "norm", "-norm" downwards, or as they are stored. */
export function filterAndSortRows(rows: readonly VariableRow[], named: string, by: string): VariableRow[] {
  const text = named.trim().toLowerCase()
  const kept = rows.filter((row) => row.name.toLowerCase().includes(text))
  const column = [...COLUMNS, ...CHANGES].find(({ key }) => key === by.replace('-', ''))
  const sign = by.startsWith('-') ? -1 : 1
  return column ? kept.sort((a, b) => sortPanels(column.of(a), column.of(b), sign)) : kept
}

/** A click on a column's head: names upwards first and figures downwards, then the other way, then as stored. */
export function nextOrder(by: string, key: string): string {
  const first = key === 'name' || key === 'dtype' ? key : `-${key}`
  if (by === first) return first === key ? `-${key}` : key
  return by.replace('-', '') === key ? '' : first
}

/** The checkpoint to compare with: the best, unless another or none is asked for. */
export function comparedCheckpoint(checkpoints: readonly Checkpoint[], inside: string, choice: string): string | null {
  if (choice === NO_COMPARISON) return null
  const other = choice || checkpoints.find((checkpoint) => checkpoint.is_best && checkpoint.state === 'durable')?.id
  return other === inside ? null : (other ?? null)
}

export function checkpointLabel(checkpoint: Checkpoint): string {
  const marks = [checkpoint.is_best && 'best', checkpoint.is_pinned && 'pinned', checkpoint.ghost && 'abandoned'].filter(Boolean)
  return [`step ${count(checkpoint.step)}`, ...marks, checkpoint.id].join(' · ')
}

/** What stands in the column of differences. */
export function describeChange(change: VariableDifference | null): string {
  if (!change) return '–'
  if (change.kind === 'differs') return change.norm == null ? `${count(change.changed)} ${change.changed === 1 ? 'value' : 'values'}` : figure(change.norm, 4)
  return { equal: 'equal', shape: 'another shape', dtype: 'another type', new: 'only here', missing: 'only there' }[change.kind]
}

/** "3.2 %"; nothing where there is no difference in numbers. */
export function formatRelative(change: VariableDifference | null): string {
  return change?.kind === 'differs' && change.relative != null ? `${figure(100 * numberOf(change.relative)!, 3)} %` : ''
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1)
}

/** The whole; of more than two axes the picture of the first two, as of a convolution's kernel. */
export function usualSlice(shape: readonly number[]): string {
  return shape.length > 2 ? shape.map((_, axis) => (axis < 2 ? ':' : '0')).join(',') : ''
}

export type Layout =
  | { kind: 'none' | 'scalar' | 'vector' | 'more' }
  /** `across` is the axis of the columns; a tall picture is drawn lying. */
  | { kind: 'picture'; rows: number; columns: number; lying: boolean }

/** How a part of this shape is shown; axes of length 1 do not count. */
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

/** The values in the order of the picture's pixels. */
export function pixelsOf(numbers: readonly number[], { rows, columns, lying }: { rows: number; columns: number; lying: boolean }): number[] {
  return lying ? numbers.map((_, at) => numbers[(at % columns) * rows + Math.floor(at / columns)]!) : [...numbers]
}

/** The greatest distance from 0: the ends of the colour scale. 1 where there is none. */
export function maxAbsolute(numbers: readonly number[]): number {
  const largest = numbers.reduce((most, number) => (Number.isFinite(number) ? Math.max(most, Math.abs(number)) : most), 0)
  return largest || 1
}

export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'a number' : shape.map(count).join(' x ')
}

/** Which values are shown. */
export function describePart({ shape, part, slice }: Pick<VariableValues, 'shape' | 'part' | 'slice'>): string {
  const from = slice ? ', counted from where the slice begins' : ''
  if (sizeOf(shape) !== sizeOf(part)) return `the first ${formatShape(part)} of ${formatShape(shape)}${from}; a slice shows the others`
  return sizeOf(part) === 1 ? 'one value' : `all ${formatShape(shape)} values${from}`
}

/** The command lines that show the same. */
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
