/** Turns the curves of many runs into the drawing of one panel. */
import { alignLines, UNSEEN, type Line } from '$lib/curves/align'
import type { Drawing, LineStyle } from '$lib/curves/chart'
import { parseMetric } from '$lib/curves/metricGroups'
import type { OverlayColors, RunMark } from '$lib/curves/overlay'
import { smooth } from '$lib/curves/smooth'
import { numberOf } from '$lib/api/floats'
import type { RunCurve } from '$lib/api/search'
import type { Run } from '$lib/api/types'
import { lineOfRun } from '$lib/ui/color'
import { FINAL } from '$lib/ui/labels'
import { bandOfCurves, groupOf, type BandKind } from './bands'
import { inOrder } from '$lib/curves/curveTails'

export interface OverlayInputs {
  runs: readonly Run[]
  keys: readonly string[]
  curves: readonly RunCurve[]
  axis: string
  weight: number
  log: boolean
  band: string
  by: string
  /** The run whose abandoned branches are drawn. */
  ghostsOf: readonly RunCurve[]
  dark: boolean
  colors: OverlayColors
}

/** Opacity of a band, as the end of a colour: 18 %. */
const BAND_ALPHA = '2e'

interface Drawn extends Line, LineStyle {}

export function overlayDrawing(inputs: OverlayInputs): Drawing {
  const banded = inputs.band === 'range' || inputs.band === 'deviation' || inputs.band === 'error'
  const { lines, bands } = banded ? bandLines(inputs, inputs.band as BandKind) : { lines: runLines(inputs), bands: [] }
  const { x, columns } = alignLines(lines)
  if (inputs.log) for (const column of columns) column.forEach((value, index) => typeof value === 'number' && value <= 0 && (column[index] = null))
  const overlay = {
    band: null, target: null, best: null, lines: [], resumePoints: [], labelsAtBottom: false, colors: inputs.colors,
    nonFinite: banded ? [] : nonFinite(inputs), marks: banded ? [] : marksOf(inputs),
  }
  return { x, columns, lines: lines.map(({ color, width, alpha, dash }) => ({ color, width, alpha, dash })), bands, overlay }
}

/** Raw lines first, so that smoothed lines lie on top. */
function runLines(inputs: OverlayInputs): Drawn[] {
  const raw: Drawn[] = []
  const smoothed: Drawn[] = []
  for (const { run, curve } of byRun(inputs)) {
    const { color, dash } = lineOfRun(run, inputs.dark)
    const isThin = isTraining(curve.key, inputs.keys)
    const style = { color, dash: isThin ? [2, 3] : dash, width: isThin ? 1.25 : 1.75, alpha: isThin ? 0.8 : 1 }
    const points = inOrder(curve.x, curve.values)
    const isFaint = inputs.weight > 0
    raw.push({ x: points.x, y: points.values, ...style, ...(isFaint && { width: 1, alpha: 0.22 }) })
    // Smoothing follows the training, whatever the axis.
    if (isFaint) smoothed.push({ x: points.x, y: inOrder(curve.x, smooth(curve.values, inputs.weight)).values, ...style })
  }
  return [...ghostLines(inputs), ...raw, ...smoothed]
}

/** Of a pair, training is the thinner, dotted line. */
function isTraining(key: string, keys: readonly string[]): boolean {
  return keys.length > 1 && !['validation', 'test'].includes(parseMetric(key).split)
}

function ghostLines(inputs: OverlayInputs): Drawn[] {
  return inputs.ghostsOf.flatMap((curve) => {
    const run = inputs.runs.find(({ id }) => id === curve.run)
    if (!run) return []
    const { color } = lineOfRun(run, inputs.dark)
    return curve.ghosts.map((ghost) => {
      const points = inOrder(ghost.x, ghost.values)
      return { x: points.x, y: points.values, color, width: 1.25, alpha: 0.55, dash: [4, 4] }
    })
  })
}

/** For each group and metric: the mean, and the bounds as lines without a colour of their own. */
function bandLines(inputs: OverlayInputs, kind: BandKind): { lines: Drawn[]; bands: NonNullable<Drawing['bands']> } {
  const lines: Drawn[] = []
  const bands: NonNullable<Drawing['bands']> = []
  const groups = new Map<string, { run: Run; curve: RunCurve }[]>()
  for (const member of byRun(inputs)) {
    const name = `${groupOf(member.run, inputs.by)}\n${member.curve.key}`
    groups.set(name, [...(groups.get(name) ?? []), member])
  }
  for (const members of groups.values()) {
    const curves = members.map(({ curve }) => ({ x: curve.x, values: inputs.weight > 0 ? smooth(curve.values, inputs.weight) : curve.values }))
    const { x, mean, low, high } = bandOfCurves(curves, kind)
    const { color } = lineOfRun(members.map(({ run }) => run).toSorted((a, b) => a.number - b.number)[0]!, inputs.dark)
    const bound = { x, color: UNSEEN, width: 1, alpha: 1, dash: [] }
    bands.push({ high: lines.length, low: lines.length + 1, fill: `${color}${BAND_ALPHA}` })
    lines.push({ ...bound, y: high }, { ...bound, y: low }, { x, y: mean, color, width: 2, alpha: 1, dash: isTraining(members[0]!.curve.key, inputs.keys) ? [2, 3] : [] })
  }
  return { lines, bands }
}

function byRun({ runs, curves }: OverlayInputs): { run: Run; curve: RunCurve }[] {
  const known = new Map(runs.map((run) => [run.id, run]))
  return curves.flatMap((curve) => {
    const run = known.get(curve.run)
    return run ? [{ run, curve }] : []
  })
}

/** The best of each run on its monitored metric, and where it stopped; over another axis the marks follow the step. */
function marksOf(inputs: OverlayInputs): RunMark[] {
  return byRun(inputs).flatMap(({ run, curve }): RunMark[] => {
    if (curve.key !== run.spec.monitor || curve.steps.length === 0) return []
    const { color } = lineOfRun(run, inputs.dark)
    const best = numberOf(run.best_value)
    const marks: RunMark[] = []
    const x = run.best_step == null ? undefined : curve.x[nearestStep(curve.steps, run.best_step)]
    if (best !== null && x !== undefined && Number.isFinite(best) && !(inputs.log && best <= 0)) marks.push({ x, y: best, color, kind: 'best' })
    const end = curve.values.at(-1)!
    if (FINAL.has(run.state) && Number.isFinite(end) && !(inputs.log && end <= 0)) marks.push({ x: curve.x.at(-1)!, y: end, color, kind: 'stop' })
    return marks
  })
}

function nearestStep(steps: readonly number[], step: number): number {
  return steps.reduce((best, candidate, index) => (Math.abs(candidate - step) < Math.abs(steps[best]! - step) ? index : best), 0)
}

function nonFinite(inputs: OverlayInputs) {
  return byRun(inputs).flatMap(({ run, curve }) => {
    const { color } = lineOfRun(run, inputs.dark)
    return curve.values.flatMap((value, index) => (Number.isFinite(value) ? [] : [{ x: curve.x[index]!, value, color }]))
  })
}
