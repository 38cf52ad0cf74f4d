/** Metrics of runs side by side, with the difference of each to the baseline. Pure. */
import { numberOf } from '$lib/api/floats'
import { differenceTo, type Difference } from '$lib/run/difference'
import type { ComparedMetric } from '$lib/api/types'

export interface ValueCell {
  value: number | null
  step: number | null
  difference: Difference | null
  /** The best of its row, where the metric has a direction. */
  isBest: boolean
}
export interface MetricRow {
  key: string
  mode: 'min' | 'max' | null
  cells: ValueCell[]
}

/** Rows of the best or the last values; `baseline` is the place of the run that the others are compared with. */
export function metricRows(metrics: readonly ComparedMetric[], which: 'best' | 'last', baseline: number): MetricRow[] {
  return metrics.map(({ key, mode = null, cells }) => {
    const values = cells.map((cell) => (cell ? numberOf(cell[which]) : null))
    const steps = cells.map((cell) => cell?.[`${which}_step`] ?? null)
    const best = bestOf(values, mode)
    const cellAt = (value: number | null, at: number): ValueCell => ({
      value,
      step: steps[at]!,
      difference: at === baseline ? null : differenceTo(value, values[baseline] ?? null, mode),
      isBest: value !== null && value === best,
    })
    return { key, mode, cells: values.map(cellAt) }
  })
}

function bestOf(values: readonly (number | null)[], mode: 'min' | 'max' | null): number | null {
  const finite = values.filter((value): value is number => value !== null && Number.isFinite(value))
  if (mode === null || finite.length < 2) return null
  return mode === 'max' ? Math.max(...finite) : Math.min(...finite)
}
