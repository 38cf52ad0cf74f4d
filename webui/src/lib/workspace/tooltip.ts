/** The tooltip of a chart with many runs: the value of each run at the crosshair, the best first. */
import { nearest } from '$lib/curves/chartData'
import { smooth } from '$lib/curves/smooth'
import { count, figure } from '$lib/ui/format'
import type { RunCurve } from '$lib/api/search'
import { orderOf } from '$lib/curves/curveTails'

export interface RankedReading {
  run: string
  key: string
  step: number
  value: number
  smoothed: number | null
  isNearest: boolean
}

/** The reading of one curve at `x`; null beyond its ends. */
export function readingOf(curve: RunCurve, x: number, weight: number): Omit<RankedReading, 'isNearest'> | null {
  const order = orderOf(curve.x)
  const line = order ? order.map((place) => curve.x[place]!) : curve.x
  if (line.length === 0 || isBeyond(line, x)) return null
  const index = nearest(line, x)
  const at = order ? order[index]! : index
  const smoothed = weight > 0 ? (smooth(curve.values.slice(0, at + 1), weight)[at] ?? null) : null
  return { run: curve.run, key: curve.key, step: curve.steps[at]!, value: curve.values[at]!, smoothed }
}

/** A run that ended before this x has no value there; half a step of its own grid is allowed. */
function isBeyond(x: readonly number[], at: number): boolean {
  const [first, last] = [x[0]!, x.at(-1)!]
  const room = x.length > 1 ? (last - first) / (x.length - 1) / 2 : 0
  return at < first - room || at > last + room
}

/** The best first by the metric's direction; values that are not finite last; the one nearest to the pointer is marked. */
export function rankReadings(readings: readonly Omit<RankedReading, 'isNearest'>[], mode: string | undefined, y: number | null): RankedReading[] {
  const value = (reading: { value: number; smoothed: number | null }) => reading.smoothed ?? reading.value
  const sign = mode === 'min' ? 1 : -1
  const sorted = readings.toSorted((a, b) => Number(!Number.isFinite(value(a))) - Number(!Number.isFinite(value(b))) || sign * (value(a) - value(b)))
  const distances = sorted.map((reading) => (y === null ? Infinity : Math.abs(value(reading) - y)))
  const closest = distances.indexOf(Math.min(...distances.filter((distance) => !Number.isNaN(distance))))
  return sorted.map((reading, index) => ({ ...reading, isNearest: y !== null && index === closest }))
}

/** Lines with tabs, to paste into a spreadsheet. */
export function readingsAsText(readings: readonly RankedReading[], nameOf: (run: string) => string): string {
  const lines = readings.map(({ run, key, step, value }) => [nameOf(run), key, step, value].join('\t'))
  return ['run\tmetric\tstep\tvalue', ...lines].join('\n')
}

/** The x of a crosshair, in the words of its axis. */
export function xWords(x: number, axis: string): string {
  if (axis === 'step' || axis === 'epoch') return `${axis} ${count(Math.round(x))}`
  if (axis === 'relative') return `after ${figure(x, 4)} s`
  if (axis === 'wall') return new Date(x * 1000).toLocaleString('sv-SE')
  return `${axis.replace(/^metrics\./, '')} ${figure(x, 4)}`
}
