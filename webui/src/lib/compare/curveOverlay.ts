/** One metric of many runs in one chart: each run in its own colour, raw lines faint behind smoothed ones. Pure. */
import { alignLines } from '$lib/curves/align'
import { nearest } from '$lib/curves/chartData'
import type { Drawing, LineStyle } from '$lib/curves/chart'
import type { OverlayColors } from '$lib/curves/overlay'
import { smooth } from '$lib/curves/smooth'
import type { RunCurve } from '$lib/api/search'
import type { LineColor } from '$lib/ui/color'

export interface RunCurveReading {
  run: string
  step: number
  value: number
}
interface OverlayInputs {
  curves: readonly RunCurve[]
  colorOf: (run: string) => LineColor
  /** The run that is drawn strongest, if any. */
  chosen: string | null
  weight: number
  log: boolean
  colors: OverlayColors
}

export function comparisonDrawing({ curves, colorOf, chosen, weight, log, colors }: OverlayInputs): Drawing {
  const shown = (values: readonly number[]) => (log ? values.map((value) => (value > 0 ? value : NaN)) : values)
  const raw = curves.map((curve) => ({ run: curve.run, x: curve.x, y: shown(curve.values), faint: weight > 0 }))
  const smoothed = weight > 0 ? curves.map((curve) => ({ run: curve.run, x: curve.x, y: shown(smooth(curve.values, weight)), faint: false })) : []
  const lines = [...raw, ...smoothed]
  const nonFinite = curves.flatMap((curve) =>
    curve.values.flatMap((value, at) => (Number.isFinite(value) ? [] : [{ x: curve.x[at]!, value, color: colorOf(curve.run).color }])),
  )
  const nothing = { band: null, target: null, best: null, lines: [], resumePoints: [], labelsAtBottom: false }
  return {
    ...alignLines(lines),
    lines: lines.map(({ run, faint }) => style(colorOf(run), faint, chosen === null ? null : chosen === run)),
    overlay: { ...nothing, nonFinite, colors },
  }
}

/** The value of each run at its point nearest to `x`, or its last where `x` is null; the best first. */
export function readingsAt(curves: readonly RunCurve[], x: number | null, mode: 'min' | 'max' | null): RunCurveReading[] {
  const readings = curves.filter((curve) => curve.x.length > 0).map((curve): RunCurveReading => {
    const at = x === null ? curve.x.length - 1 : nearest(curve.x, x)
    return { run: curve.run, step: curve.steps[at]!, value: curve.values[at]! }
  })
  if (mode === null) return readings
  const rank = ({ value }: RunCurveReading) => (Number.isFinite(value) ? (mode === 'max' ? -value : value) : Infinity)
  return readings.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)))
}

function style({ color, dash }: LineColor, faint: boolean, isChosen: boolean | null): LineStyle {
  const alpha = isChosen === false ? 0.25 : 1
  return faint ? { color, width: 1, alpha: alpha * 0.3, dash: [] } : { color, width: isChosen ? 2.5 : 1.5, alpha, dash }
}
