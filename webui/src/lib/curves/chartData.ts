/** From the API's curves to the lines of a chart: the merged path of a run, its abandoned tails, and what is not finite. */
import { type Column, join, type Line } from './align'
import { numberOf, type WireFloat } from '$lib/ui/format'
import { smooth } from './smooth'

export interface WirePiece {
  segment: number
  ghost: boolean
  steps: readonly number[]
  values: readonly WireFloat[]
  times: readonly number[]
}
export interface WireCurve {
  key: string
  total: number
  returned: number
  pieces: readonly WirePiece[]
}

/** Points in order of step; values may be NaN or infinite. */
export interface Track {
  steps: number[]
  values: number[]
  times: number[]
}
export interface Curve {
  key: string
  total: number
  returned: number
  path: Track
  ghosts: Track[]
}
export type Axis = 'step' | 'time'

export interface Series {
  key: string
  kind: 'raw' | 'smooth' | 'ghost'
}
export interface Hole {
  key: string
  x: number
  value: number
}
export interface ChartData {
  x: number[]
  columns: Column[]
  series: Series[]
  holes: Hole[]
  hidden: number // values that a logarithmic axis cannot show
}

export function readCurve(wire: WireCurve): Curve {
  const path: Track = { steps: [], values: [], times: [] }
  const ghosts: Track[] = []
  for (const piece of wire.pieces) {
    const target = piece.ghost ? { steps: [], values: [], times: [] } : path
    append(target, piece)
    if (piece.ghost) ghosts.push(target)
  }
  return { key: wire.key, total: wire.total, returned: wire.returned, path, ghosts: ghosts.map((ghost) => hang(ghost, path)) }
}

function append(track: Track, piece: WirePiece): void {
  for (let i = 0; i < piece.steps.length; i++) {
    track.steps.push(piece.steps[i]!)
    track.values.push(numberOf(piece.values[i]) ?? NaN)
    track.times.push(piece.times[i]!)
  }
}

/** A tail starts at the point of the path that it left, so that it is seen to branch off. */
function hang(ghost: Track, path: Track): Track {
  const first = ghost.steps[0]
  if (first === undefined) return ghost
  const at = path.steps.findLastIndex((step) => step < first)
  if (at < 0) return ghost
  return {
    steps: [path.steps[at]!, ...ghost.steps],
    values: [path.values[at]!, ...ghost.values],
    times: [Math.min(path.times[at]!, ghost.times[0]!), ...ghost.times],
  }
}

/** Adds newer points (asked for with `from` = the last step known) behind those there are. */
export function extendCurve(curve: Curve, newer: Curve): Curve {
  const last = curve.path.steps.at(-1) ?? -1
  const start = newer.path.steps.findIndex((step) => step > last)
  if (start < 0) return { ...curve, total: Math.max(curve.total, newer.total) }
  const path = {
    steps: [...curve.path.steps, ...newer.path.steps.slice(start)],
    values: [...curve.path.values, ...newer.path.values.slice(start)],
    times: [...curve.path.times, ...newer.path.times.slice(start)],
  }
  const added = path.steps.length - curve.path.steps.length // `newer.total` counts only from where it was asked for
  return { ...curve, path, total: Math.max(curve.total + added, newer.total), returned: path.steps.length }
}

/** The x of a track; a clock that went backwards is held still, since a line cannot turn round. */
export function xOf(track: Track, axis: Axis, origin: number): number[] {
  if (axis === 'step') return track.steps
  let latest = -Infinity
  return track.times.map((time) => (latest = Math.max(latest, time - origin)))
}

export interface Look {
  axis: Axis
  origin: number // epoch seconds that count as 0 on the time axis
  weight: number
  log: boolean
}

/** Everything one chart draws, raw lines first so that the smoothed ones lie on top. */
export function chartData(curves: readonly Curve[], look: Look): ChartData {
  const lines: (Line & Series)[] = []
  for (const curve of curves) {
    for (const ghost of curve.ghosts) lines.push(line(curve.key, 'ghost', ghost, ghost.values, look))
    lines.push(line(curve.key, 'raw', curve.path, curve.path.values, look))
  }
  if (look.weight > 0) {
    for (const curve of curves) lines.push(line(curve.key, 'smooth', curve.path, smooth(curve.path.values, look.weight), look))
  }
  const { x, columns } = join(lines)
  const hidden = look.log ? columns.reduce((sum, column) => sum + dropNonPositive(column), 0) : 0
  return { x, columns, series: lines.map(({ key, kind }) => ({ key, kind })), holes: holesOf(curves, look), hidden }
}

function line(key: string, kind: Series['kind'], track: Track, values: number[], look: Look): Line & Series {
  return { key, kind, x: xOf(track, look.axis, look.origin), y: values }
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

function holesOf(curves: readonly Curve[], look: Look): Hole[] {
  return curves.flatMap(({ key, path }) => {
    const x = xOf(path, look.axis, look.origin)
    return path.values.flatMap((value, i) => (Number.isFinite(value) ? [] : [{ key, x: x[i]!, value }]))
  })
}

export interface Reading {
  key: string
  step: number
  raw: number
  smoothed: number | null
}

/** What a curve says at `x` (its nearest point), or at its end when `x` is null. */
export function readAt(curve: Curve, x: number | null, look: Look): Reading | null {
  const xs = xOf(curve.path, look.axis, look.origin)
  if (xs.length === 0) return null
  const at = x === null ? xs.length - 1 : nearest(xs, x)
  const smoothed = look.weight > 0 ? (smooth(curve.path.values.slice(0, at + 1), look.weight)[at] ?? null) : null
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

/** Where a step lies on the x axis; beyond the last point a time is foretold at the average pace. */
export function xOfStep(step: number, curve: Curve | undefined, look: Look): number | null {
  if (look.axis === 'step') return step
  const xs = curve ? xOf(curve.path, 'time', look.origin) : []
  if (!curve || xs.length === 0) return null
  const steps = curve.path.steps
  const [last, lastX] = [steps.at(-1)!, xs.at(-1)!]
  if (step > last) return lastX + (step - last) * (last > 0 ? lastX / last : 0)
  return xs[nearest(steps, step)]!
}
