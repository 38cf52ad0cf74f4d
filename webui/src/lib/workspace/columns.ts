/** The columns of the list: what there is to choose, what each shows, how wide it is. */
import { age, count, duration, epochOf, exact, figure } from '$lib/ui/format'
import { FINAL, displayedState, reasonLabel, stateLabel } from '$lib/ui/labels'
import { trainingSeconds } from '$lib/run/runTable'
import { numberOf } from '$lib/api/floats'
import type { ProjectFields, Run } from '$lib/api/types'
import { quoted } from './filterText'

export interface RunColumn {
  id: string
  label: string
  /** What the tracker sorts by; missing where it cannot. */
  sort?: string
  isNumber?: boolean
  /** The direction in which it gets better, where a baseline can tell a gain from a loss. */
  mode?: 'min' | 'max'
}

/** Columns of every project; those of parameters and metrics come from the project. */
const FIXED: readonly RunColumn[] = [
  { id: 'state', label: 'State', sort: 'state' },
  { id: 'best', label: 'Best @ step', sort: 'best', isNumber: true },
  { id: 'spark', label: 'Curve' },
  { id: 'last', label: 'Last', sort: 'last', isNumber: true },
  { id: 'patience', label: 'Patience', sort: 'patience' },
  { id: 'step', label: 'Steps', sort: 'step', isNumber: true },
  { id: 'duration', label: 'Took', sort: 'duration', isNumber: true },
  { id: 'created', label: 'Age', sort: 'number', isNumber: true },
  { id: 'worker', label: 'Worker', sort: 'worker' },
  { id: 'user', label: 'User' },
  { id: 'recipe', label: 'Recipe' },
  { id: 'notes', label: 'Notes' },
]
const ALWAYS = ['state', 'best', 'spark']
const USUAL = ['last', 'patience', 'step', 'duration', 'created', 'worker']
/** Parameters that the page shows by itself. */
const CHOSEN_PARAMETERS = 4
const NARROW = ['best']

/** Every column of a project; parameters that differ come first. */
export function allColumns(fields: ProjectFields | null): RunColumn[] {
  const parameters = (fields?.parameters ?? []).toSorted((a, b) => Number(b.differs ?? false) - Number(a.differs ?? false))
  const ofParameters = parameters.map(({ key, values = [] }): RunColumn => ({
    id: `params.${key}`, label: key, sort: `params.${quoted(key)}`, isNumber: values.length > 0 && values.every((value) => typeof value === 'number'),
  }))
  const ofMetrics = (fields?.metrics ?? []).flatMap(({ key, mode }): RunColumn[] => {
    const better = mode === 'min' || mode === 'max' ? { mode: mode as 'min' | 'max' } : {}
    const name = `metrics.${quoted(key)}`
    return [
      { id: `metrics.${key}`, label: key, sort: name, isNumber: true, ...better },
      { id: `metrics.${key}.last`, label: `${key} (last)`, sort: `${name}.last`, isNumber: true, ...better },
    ]
  })
  return [...FIXED, ...ofParameters, ...ofMetrics]
}

/** The columns to show: those chosen, or those that the page chooses. */
export function shownColumns(all: readonly RunColumn[], chosen: readonly string[], fields: ProjectFields | null, isNarrow: boolean): RunColumn[] {
  const differing = (fields?.parameters ?? []).filter(({ differs }) => differs).slice(0, CHOSEN_PARAMETERS)
  const usual = [...ALWAYS, ...differing.map(({ key }) => `params.${key}`), ...USUAL]
  const ids = isNarrow ? NARROW : chosen.length > 0 ? chosen : usual
  return ids.flatMap((id) => all.find((column) => column.id === id) ?? [])
}

/** Names that the tracker must answer with, in the spelling that it asks for. */
export function askedColumns(columns: readonly RunColumn[]): string {
  return columns.filter(({ id }) => isOfProject(id)).map(({ sort }) => sort!).join(',')
}

export function isOfProject(id: string): boolean {
  return id.startsWith('params.') || id.startsWith('metrics.')
}

/** The text of a cell; `now` in epoch seconds. */
export function cellText(run: Run, column: RunColumn, now: number): string {
  if (isOfProject(column.id)) return parameterText(run.values?.[column.sort!])
  switch (column.id) {
    case 'state': return [stateLabel(displayedState(run)).label, reasonLabel(run.stop_reason)].filter(Boolean).join(' ')
    case 'best': return run.best_value == null ? '–' : `${figure(run.best_value, 5)} @${count(run.best_step)}`
    case 'last': return figure(run.last_value, 5)
    case 'patience': return run.patience_left == null ? '–' : count(run.patience_left)
    case 'step': return stepsText(run)
    case 'duration': return durationText(run, now)
    case 'created': return age(now - (epochOf(run.created_at) ?? now))
    case 'worker': return run.worker ?? '–'
    case 'user': return run.created_by
    case 'recipe': return (run.spec.source as { name?: string; entry?: string }).name ?? run.spec.source.kind
    case 'notes': return run.notes ?? ''
    default: return ''
  }
}

export function stepsText(run: Run): string {
  const most = run.max_steps ?? run.spec.max_steps
  return most ? `${count(run.step ?? 0)} / ${count(most)}` : count(run.step ?? 0)
}

function durationText(run: Run, now: number): string {
  const took = trainingSeconds(run, FINAL.has(run.state) ? 0 : now)
  return took === null ? '–' : duration(took)
}

export function parameterText(value: unknown): string {
  if (value === null || value === undefined) return '–'
  if (typeof value === 'number') return figure(value, 6)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The number of a cell, for a difference to the baseline; null where there is none. */
export function cellNumber(run: Run, column: RunColumn): number | null {
  if (column.id === 'best') return numberOf(run.best_value)
  if (column.id === 'last') return numberOf(run.last_value)
  const value = isOfProject(column.id) ? run.values?.[column.sort!] : null
  return typeof value === 'number' ? value : null
}

/** How wide a small letter is beside one of 14 px; pixels of the space beside a cell, of a difference, of a tag's frame. */
const SMALL = 0.88
const PADDING = 22
const DIFFERENCE = 84
const TAG = 22
const MOST_LETTERS = 30
/** Pixels of what a cell holds beside its text, or in place of it. */
const SIGNS: Record<string, number> = { state: 30, step: 12 }
const WHOLE: Record<string, number> = { patience: 158, spark: 106 }
/** The buttons at the end of a name stand beside its tags. */
const NAME = { least: 220, most: 340, buttons: 72 }

/** Pixels of a digit at 14 px where nothing can be measured. */
const USUAL_DIGIT = 7.6
const DIGITS = '0123456789'
const digitWidths = new Map<number, number>()

/** Pixels of a digit of the page's own font: fonts differ by a third, and a table must not cut numbers off. */
function digitWidth(weight: 400 | 650 = 400): number {
  const known = digitWidths.get(weight) ?? measureDigit(weight)
  digitWidths.set(weight, known)
  return known
}

function measureDigit(weight: number): number {
  const pen = typeof CanvasRenderingContext2D === 'undefined' ? null : document.createElement('canvas').getContext('2d')
  if (!pen) return USUAL_DIGIT
  pen.font = `${weight} 14px ${getComputedStyle(document.body).fontFamily}`
  return pen.measureText(DIGITS).width / DIGITS.length
}

/** Pixels that a column needs for its head and for what its rows hold. */
export function columnWidth(column: RunColumn, rows: readonly Run[], now: number, isCompared = false): number {
  const letter = digitWidth()
  const head = column.label.length * SMALL * letter + (column.sort ? 16 : 0)
  const widest = rows.reduce((most, run) => Math.max(most, textWidth(run, column, now)), 0)
  const body = WHOLE[column.id] ?? Math.min(MOST_LETTERS * letter, widest + (SIGNS[column.id] ?? 0)) + (isCompared ? DIFFERENCE : 0)
  return Math.ceil(Math.max(head, body)) + PADDING
}

function textWidth(run: Run, column: RunColumn, now: number): number {
  if (column.id !== 'state') return cellText(run, column, now).length * digitWidth(column.id === 'best' ? 650 : 400)
  return (stateLabel(displayedState(run)).label.length + reasonLabel(run.stop_reason).length * SMALL) * digitWidth()
}

/** Pixels of the name with its tags, within limits; what is longer ends in dots. */
export function nameWidth(rows: readonly Run[]): number {
  const [letter, small] = [digitWidth(650), digitWidth() * SMALL]
  const needs = rows.map((run) => run.name.length * letter + (run.tags ?? []).reduce((sum, tag) => sum + tag.length * small + TAG, NAME.buttons))
  return Math.ceil(Math.min(NAME.most, Math.max(NAME.least, ...needs))) + PADDING
}

/** How many of the columns fit into so many pixels, the first of them in any case. */
export function fittingColumns(widths: readonly number[], room: number): number {
  let used = 0
  const beyond = widths.findIndex((width) => (used += width) > room)
  return beyond < 0 ? widths.length : Math.max(ALWAYS.length, beyond)
}

/** Every digit of a number, as the title of its cell. */
export function cellTitle(run: Run, column: RunColumn, now: number): string {
  const value = cellNumber(run, column)
  return value === null ? cellText(run, column, now) : exact(value)
}
