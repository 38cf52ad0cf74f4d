/** Runs in groups: the mean of each group's curves, with a band around it. */
import type { Run } from '$lib/api/types'
import { unquoted } from './filterText'
import { inOrder } from '$lib/curves/curveTails'

export type BandKind = 'range' | 'deviation' | 'error'
export interface Band {
  x: number[]
  mean: number[]
  low: number[]
  high: number[]
  /** How many runs have a value there. */
  counts: number[]
}
interface Points {
  x: readonly number[]
  values: readonly number[]
}

/** Places at which a mean is computed. */
const MOST_PLACES = 400

/** The mean of curves over the x of all of them; between its points a curve is a straight line, beyond its ends it has no value. */
export function bandOfCurves(curves: readonly Points[], kind: BandKind): Band {
  const lines = curves.map(({ x, values }) => inOrder(x, values)).map(({ x, values }) => finiteOnly(x, values)).filter(({ x }) => x.length > 0)
  const band: Band = { x: [], mean: [], low: [], high: [], counts: [] }
  for (const place of placesOf(lines)) {
    const values = lines.map((line) => valueAt(line, place)).filter((value): value is number => value !== null)
    if (values.length === 0) continue
    const { mean, low, high } = spreadOf(values, kind)
    band.x.push(place)
    band.mean.push(mean)
    band.low.push(low)
    band.high.push(high)
    band.counts.push(values.length)
  }
  return band
}

/** Mean and bounds of numbers: least and most, the standard deviation, or the standard error of the mean. */
export function spreadOf(values: readonly number[], kind: BandKind): { mean: number; low: number; high: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  if (kind === 'range') return { mean, low: Math.min(...values), high: Math.max(...values) }
  const variance = values.length > 1 ? values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) : 0
  const width = Math.sqrt(kind === 'error' ? variance / values.length : variance)
  return { mean, low: mean - width, high: mean + width }
}

function finiteOnly(x: readonly number[], values: readonly number[]): Points {
  if (values.every(Number.isFinite)) return { x, values }
  const kept = [...values.keys()].filter((index) => Number.isFinite(values[index]))
  return { x: kept.map((index) => x[index]!), values: kept.map((index) => values[index]!) }
}

function placesOf(lines: readonly Points[]): number[] {
  const all = [...new Set(lines.flatMap(({ x }) => [...x]))].sort((a, b) => a - b)
  if (all.length <= MOST_PLACES) return all
  const step = (all.length - 1) / (MOST_PLACES - 1)
  return Array.from({ length: MOST_PLACES }, (_, index) => all[Math.round(index * step)]!)
}

function valueAt({ x, values }: Points, place: number): number | null {
  if (place < x[0]! || place > x.at(-1)!) return null
  let [low, high] = [0, x.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (x[middle]! <= place) low = middle
    else high = middle
  }
  const width = x[high]! - x[low]!
  return width > 0 ? values[low]! + ((place - x[low]!) / width) * (values[high]! - values[low]!) : values[high]!
}

/** The group of a run on the charts: by the field of the list's groups, or all runs in one. */
export function groupOf(run: Run, by: string): string {
  const { parameters = {}, source, trial } = run.spec
  if (by.startsWith('params.')) return text((parameters as Record<string, unknown>)[unquoted(by.slice('params.'.length))])
  if (by === 'recipe') return text((source as { name?: string }).name ?? source.kind)
  if (by === 'sweep') return text((trial as { sweep?: string } | null)?.sweep)
  if (by === 'tag') return (run.tags ?? []).toSorted().join(', ') || 'no tag'
  if (by !== 'variant') return 'all runs'
  const rest = Object.entries(parameters as Record<string, unknown>).filter(([key]) => !/(^|[._])seed$/.test(key)).sort()
  return JSON.stringify([source, rest])
}

function text(value: unknown): string {
  return value === undefined || value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
}
