/** Sweeps as charts and tables: parallel coordinates with an axis a parameter and a line a run; values, order, dimensions. Pure. */
import { count, figure } from '$lib/ui/format'
import type { Dimension, Sweep, SweepRun } from '$lib/api/types'

export interface Tick {
  /** From 0 at the foot of the axis to 1 at its top. */
  at: number
  text: string
}
export interface ParallelAxis {
  name: string
  ticks: Tick[]
  positionOf(value: unknown): number | null
}
export interface RunLine {
  run: SweepRun
  positions: (number | null)[]
  /** From 0 for the worst value to 1 for the best; null without a value. */
  rank: number | null
  isBest: boolean
}

/** What a chart of parameters must know of a sweep, or of any runs that are compared. */
export type Searched = Pick<Sweep, 'space' | 'monitor' | 'mode' | 'best'>

/** An axis of choices with more values labels only some of them. */
const MAX_TICKS = 8

/** The value that a run is compared by: that of the model that a restore gives, which is the selected model or else the best. */
export function valueOf(run: SweepRun): number | null {
  return run.selected_value ?? run.best_value ?? null
}

export function stepOf(run: SweepRun): number | null {
  return (run.selected_value === null || run.selected_value === undefined ? run.best_step : run.selected_step) ?? null
}

/** Whether the run ended with another model than its best. */
export function isOther(run: SweepRun): boolean {
  return valueOf(run) !== (run.best_value ?? null)
}

/** How many candidates the best was chosen from: "120 validations of 10 runs". */
export function describeChoice(runs: readonly SweepRun[]): string {
  const sum = (of: (run: SweepRun) => number | undefined) => runs.reduce((total, run) => total + (of(run) ?? 0), 0)
  const many = (number: number, what: string) => `${count(number)} ${what}${number === 1 ? '' : 's'}`
  const averages = sum((run) => run.averages_tried)
  const validations = many(sum((run) => run.validations), 'validation') + (averages > 0 ? ` and ${many(averages, 'average')}` : '')
  return `${validations} of ${many(runs.length, 'run')}`
}

/** An axis for each parameter, then one for the metric. */
export function axesOf(sweep: Pick<Searched, 'space' | 'monitor'>, runs: readonly SweepRun[]): ParallelAxis[] {
  const values = runs.map(valueOf).flatMap((value) => (value === null ? [] : [Number(value)])).filter(Number.isFinite)
  const axes = Object.entries(sweep.space).map(([name, dimension]) => axisOf(name, dimension))
  return [...axes, numberAxis(sweep.monitor, Math.min(...values), Math.max(...values))]
}

/** A line for each run. The chart draws the best last, so on top. */
export function linesOf(sweep: Pick<Searched, 'mode' | 'best'>, runs: readonly SweepRun[], axes: readonly ParallelAxis[]): RunLine[] {
  const metric = axes.at(-1)!
  const higher = sweep.mode === 'max'
  const lines = runs.map((run): RunLine => {
    const value = metric.positionOf(valueOf(run))
    const positions = axes.slice(0, -1).map((axis) => axis.positionOf(run.parameters[axis.name]))
    return { run, positions: [...positions, value], rank: value === null ? null : higher ? value : 1 - value, isBest: run.run === sweep.best?.run }
  })
  return lines.sort((a, b) => Number(a.isBest) - Number(b.isBest) || (a.rank ?? -1) - (b.rank ?? -1))
}

/** The path through the known points of a line, broken at each unknown one. */
export function pathOf(positions: readonly (number | null)[], x: (axis: number) => number, y: (position: number) => number): string {
  let pen = 'M'
  return positions
    .map((position, axis) => {
      if (position === null) return ((pen = 'M'), '')
      const piece = `${pen}${x(axis).toFixed(1)},${y(position).toFixed(1)}`
      pen = 'L'
      return piece
    })
    .join('')
}

/** Runs in order of their values, the best first; then runs without a value, in the order of their numbers. */
export function bestFirst(sweep: Pick<Sweep, 'mode'>, runs: readonly SweepRun[]): SweepRun[] {
  const sign = sweep.mode === 'max' ? -1 : 1
  const known = (run: SweepRun) => valueOf(run) !== null && Number.isFinite(Number(valueOf(run)))
  return [...runs].sort((a, b) => Number(known(b)) - Number(known(a)) || (known(a) ? sign * (Number(valueOf(a)) - Number(valueOf(b))) : 0) || a.number - b.number)
}

/** The highest rung at which the run paused; 0 before the first. */
export function topRung(run: SweepRun): number {
  return Math.max(0, ...(run.rungs ?? []).map((mark) => mark.rung))
}

export function valueText(value: unknown): string {
  if (typeof value === 'number') return figure(value, 4)
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '–'
}

/** The dimension as the command line writes it. */
export function dimensionText(dimension: Dimension): string {
  if (dimension.kind === 'choices') return dimension.values.map(valueText).join(', ')
  const word = dimension.kind === 'log_uniform' ? 'log' : dimension.kind
  const more = dimension.kind !== 'int' ? '' : dimension.log ? ', log' : dimension.step === 1 ? '' : `, step=${dimension.step}`
  return `${word}(${figure(dimension.low, 4)}, ${figure(dimension.high, 4)}${more})`
}

function axisOf(name: string, dimension: Dimension): ParallelAxis {
  if (dimension.kind === 'choices') return choiceAxis(name, dimension.values)
  const isLog = dimension.kind === 'log_uniform' || (dimension.kind === 'int' && dimension.log === true)
  return numberAxis(name, dimension.low, dimension.high, isLog)
}

/** Numbers lie in ascending order; other values in the order that the sweep names them. */
function choiceAxis(name: string, named: readonly unknown[]): ParallelAxis {
  const values = named.every((value) => typeof value === 'number') ? [...named].sort((a, b) => Number(a) - Number(b)) : named
  const written = values.map((value) => JSON.stringify(value))
  const at = (index: number) => (values.length === 1 ? 0.5 : index / (values.length - 1))
  const every = Math.ceil(values.length / MAX_TICKS)
  const ticks = values.map((value, index) => ({ at: at(index), text: valueText(value) })).filter((_, index) => index % every === 0)
  const positionOf = (value: unknown) => {
    const index = written.indexOf(JSON.stringify(value))
    return index < 0 ? null : at(index)
  }
  return { name, ticks, positionOf }
}

/** A range of numbers; a single number lies in the middle. */
function numberAxis(name: string, low: number, high: number, isLog = false): ParallelAxis {
  const [to, back] = isLog ? [Math.log10, (value: number) => 10 ** value] : [Number, Number]
  if (!Number.isFinite(low)) return { name, ticks: [], positionOf: () => null }
  const [from, span] = [to(low), to(high) - to(low)]
  const positionOf = (value: unknown) => {
    const number = value === null || value === undefined || typeof value === 'boolean' ? NaN : to(Number(value))
    return !Number.isFinite(number) ? null : span === 0 ? 0.5 : (number - from) / span
  }
  const ticks = span === 0 ? [{ at: 0.5, text: figure(low, 4) }] : [0, 0.5, 1].map((at) => ({ at, text: figure(back(from + at * span), 3) }))
  return { name, ticks, positionOf }
}
