/** Turns curves into the lines of a chart: the merged path of a run, its abandoned branches, and values that are not finite. */
import { type Column, alignLines, type Line } from './align'
import type { Curve, Track } from '$lib/api/curve'
import { smooth } from './smooth'

export type Axis = 'step' | 'time'

export interface Series {
  key: string
  kind: 'raw' | 'smooth' | 'ghost'
}
export interface NonFinitePoint {
  key: string
  x: number
  value: number
}
export interface ChartData {
  x: number[]
  columns: Column[]
  series: Series[]
  nonFinite: NonFinitePoint[]
  hiddenValues: number // number of values that a logarithmic axis cannot show
}

/** The x of a track. Where the clock went backwards, x stays: a line cannot turn round. */
export function xOf(track: Track, axis: Axis, origin: number): number[] {
  if (axis === 'step') return track.steps
  let latest = -Infinity
  return track.times.map((time) => (latest = Math.max(latest, time - origin)))
}

export interface ChartSettings {
  axis: Axis
  origin: number // epoch seconds that count as 0 on the time axis
  weight: number
  log: boolean
}

/** The lines of one chart, raw lines first so that smoothed lines lie on top. */
export function chartData(curves: readonly Curve[], settings: ChartSettings): ChartData {
  const lines: (Line & Series)[] = []
  for (const curve of curves) {
    for (const ghost of curve.abandoned) lines.push(line(curve.key, 'ghost', ghost, ghost.values, settings))
    lines.push(line(curve.key, 'raw', curve.path, curve.path.values, settings))
  }
  if (settings.weight > 0) {
    for (const curve of curves) lines.push(line(curve.key, 'smooth', curve.path, smooth(curve.path.values, settings.weight), settings))
  }
  const { x, columns } = alignLines(lines)
  const hiddenValues = settings.log ? columns.reduce((sum, column) => sum + dropNonPositive(column), 0) : 0
  return { x, columns, series: lines.map(({ key, kind }) => ({ key, kind })), nonFinite: nonFinitePoints(curves, settings), hiddenValues }
}

function line(key: string, kind: Series['kind'], track: Track, values: number[], settings: ChartSettings): Line & Series {
  return { key, kind, x: xOf(track, settings.axis, settings.origin), y: values }
}

function dropNonPositive(column: Column): number {
  let dropped = 0
  column.forEach((value, index) => {
    if (typeof value === 'number' && value <= 0) {
      column[index] = null
      dropped += 1
    }
  })
  return dropped
}

function nonFinitePoints(curves: readonly Curve[], settings: ChartSettings): NonFinitePoint[] {
  return curves.flatMap(({ key, path }) => {
    const x = xOf(path, settings.axis, settings.origin)
    return path.values.flatMap((value, i) => (Number.isFinite(value) ? [] : [{ key, x: x[i]!, value }]))
  })
}

export interface Reading {
  key: string
  step: number
  raw: number
  smoothed: number | null
}

/** The values of a curve at its point nearest to `x`, or at its end when `x` is null. */
export function readingAt(curve: Curve, x: number | null, settings: ChartSettings): Reading | null {
  const xs = xOf(curve.path, settings.axis, settings.origin)
  if (xs.length === 0) return null
  const at = x === null ? xs.length - 1 : nearest(xs, x)
  const smoothed = settings.weight > 0 ? (smooth(curve.path.values.slice(0, at + 1), settings.weight)[at] ?? null) : null
  return { key: curve.key, step: curve.path.steps[at]!, raw: curve.path.values[at]!, smoothed }
}

export function nearest(sorted: readonly number[], x: number): number {
  let low = 0
  let high = sorted.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < x) low = middle
    else high = middle
  }
  return x - sorted[low]! <= sorted[high]! - x ? low : high
}

/** The x of a step. Beyond the last point a time is extrapolated at the average pace. */
export function xOfStep(step: number, curve: Curve | undefined, settings: ChartSettings): number | null {
  if (settings.axis === 'step') return step
  const xs = curve ? xOf(curve.path, 'time', settings.origin) : []
  if (!curve || xs.length === 0) return null
  const steps = curve.path.steps
  const [last, lastX] = [steps.at(-1)!, xs.at(-1)!]
  if (step > last) return lastX + (step - last) * (last > 0 ? lastX / last : 0)
  return xs[nearest(steps, step)]!
}
