/** Turns curves and annotations into the drawing of a chart, in the colours of the present scheme. */
import { chartData, nearest, xOf, xOfStep, type ChartSettings } from './chartData'
import type { Curve } from '$lib/api/curve'
import type { Drawing, LineStyle } from './chart'
import { runColor } from '$lib/ui/color'
import { count, figure } from '$lib/ui/format'
import type { ResumePoint } from '$lib/run/resumePoints'
import type { Annotations } from './annotations'
import type { Overlay, OverlayColors } from './overlay'
import { parseMetric } from './metricGroups'

const BY_SPLIT = new Map([['train', 1], ['validation', 2], ['test', 3]])
/** The largest share of the axis beyond the last point: room to see where patience ends. */
const FUTURE_SHARE = 0.3

/** The colour of a metric: training, validation and test have the same colours in every chart; others follow their order. */
export function colorIndex(keys: readonly string[], key: string): number {
  const pair = keys.length > 1 && keys.some((other) => parseMetric(other).split === 'validation')
  const split = parseMetric(key).split || (pair ? 'train' : '')
  return BY_SPLIT.get(split) ?? (keys.length === 1 ? 4 + (hash(key) % 9) : keys.indexOf(key) + 4)
}

/** Charts with one line each are told apart by colour too; a metric has the same colour on every page. */
function hash(text: string): number {
  return [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)!) >>> 0, 7)
}

export interface ChartInputs {
  curves: readonly Curve[]
  keys: readonly string[]
  monitor: string
  settings: ChartSettings
  annotations: Annotations | null
  resumePoints: readonly ResumePoint[]
  dark: boolean
  colors: OverlayColors
}

export function chartDrawing(inputs: ChartInputs): Drawing & { hiddenValues: number } {
  const data = chartData(inputs.curves, inputs.settings)
  const colorOf = (key: string) => runColor(colorIndex(inputs.keys, key), inputs.dark).color
  const lines = data.series.map(({ key, kind }) => style(kind, colorOf(key), inputs.settings.weight > 0, key === inputs.monitor))
  const nonFinite = data.nonFinite.map(({ key, x, value }) => ({ x, value, color: colorOf(key) }))
  return { x: data.x, columns: data.columns, lines, overlay: { ...overlayOf(inputs), nonFinite }, hiddenValues: data.hiddenValues }
}

function style(kind: string, color: string, smoothed: boolean, monitored: boolean): LineStyle {
  if (kind === 'ghost') return { color, width: 1.25, alpha: 0.55, dash: [4, 4] }
  if (kind === 'raw' && smoothed) return { color, width: 1, alpha: 0.3, dash: [] }
  return { color, width: monitored ? 2.25 : 1.5, alpha: 1, dash: [] }
}

function overlayOf(inputs: ChartInputs): Omit<Overlay, 'nonFinite'> {
  const { annotations, settings, colors } = inputs
  const nothing = { band: null, target: null, best: null, lines: [], resumePoints: [], labelsAtBottom: annotations?.higherIsBetter ?? false, colors }
  if (!annotations) return nothing
  const monitored = inputs.curves.find((curve) => curve.key === inputs.monitor)
  const at = (step: number) => xOfStep(step, monitored, settings)
  return {
    ...nothing,
    band: bandOf(annotations, at),
    target: annotations.target !== null && !(settings.log && annotations.target <= 0) ? annotations.target : null,
    best: bestOf(annotations, at, settings.log),
    lines: linesOf(annotations, at),
    resumePoints: resumePointMarks(inputs, monitored, at),
  }
}

type At = (step: number) => number | null

function bandOf({ patience }: Annotations, at: At): Overlay['band'] {
  const [from, to] = patience ? [at(patience.from), at(patience.to)] : [null, null]
  return from === null || to === null ? null : { from, to }
}

function bestOf({ best }: Annotations, at: At, log: boolean): Overlay['best'] {
  const x = best && at(best.step)
  if (!best || x === null || !Number.isFinite(best.value) || (log && best.value <= 0)) return null
  return { x, y: best.value, text: `${best.restored ? 'restored best' : 'best'} ${figure(best.value, 5)} @ ${count(best.step)}` }
}

function linesOf({ stop, segmentStarts }: Annotations, at: At): Overlay['lines'] {
  const ends = stop ? [{ step: stop.step, text: `stop: ${stop.text}`, tone: 'stop' as const }] : []
  const all = [...segmentStarts.map((start) => ({ ...start, tone: 'segment' as const })), ...ends]
  return all.flatMap(({ step, text, tone }) => {
    const x = at(step)
    return x === null ? [] : [{ x, text, tone }]
  })
}

/** A resume point lies at the value of its validation; a checkpoint between two validations lies on the curve. */
function resumePointMarks({ resumePoints, settings }: ChartInputs, monitored: Curve | undefined, at: At): Overlay['resumePoints'] {
  return resumePoints.flatMap((point) => {
    const x = at(point.step)
    const y = point.value ?? valueAt(monitored, point.step)
    if (x === null || y === null || !Number.isFinite(y) || (settings.log && y <= 0)) return []
    return [{ x, y, key: point.key, solid: point.inMemory }]
  })
}

function valueAt(curve: Curve | undefined, step: number): number | null {
  const steps = curve?.path.steps ?? []
  return steps.length > 0 ? curve!.path.values[nearest(steps, step)]! : null
}

/** The x axis that all charts of a run share: every curve, every start of a segment, and a part of the patience that is left. */
export function sharedRange(curves: readonly Curve[], monitor: string, settings: ChartSettings, annotations: Annotations): [number, number] | null {
  const monitored = curves.find((curve) => curve.key === monitor)
  const ends = curves.flatMap(({ path, abandoned }) => [path, ...abandoned].flatMap((track) => endsOf(xOf(track, settings.axis, settings.origin))))
  if (ends.length === 0) return null
  const starts = annotations.segmentStarts.flatMap(({ step }) => xOfStep(step, monitored, settings) ?? [])
  const [first, last] = [Math.min(...ends, ...starts), Math.max(...ends)]
  const patience = annotations.patience && !annotations.stop ? xOfStep(annotations.patience.to, monitored, settings) : null
  return [first, Math.max(last, Math.min(patience ?? last, last + (last - first) * FUTURE_SHARE))]
}

function endsOf(x: readonly number[]): number[] {
  return x.length > 0 ? [x[0]!, x.at(-1)!] : []
}
