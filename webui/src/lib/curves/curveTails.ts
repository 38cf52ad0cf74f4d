/** Puts new points behind a curve, and turns a curve over any axis into a line that goes to the right. */
import type { RunCurve } from '$lib/api/search'

/** Appends points behind the last step that the page has. */
export function extendRunCurve(curve: RunCurve, newer: RunCurve): RunCurve {
  const last = curve.steps.at(-1) ?? -1
  const start = newer.steps.findIndex((step) => step > last)
  const total = Math.max(curve.total, newer.total)
  if (start < 0) return { ...curve, total }
  return {
    ...curve,
    total: Math.max(total, curve.total + newer.steps.length - start),
    steps: [...curve.steps, ...newer.steps.slice(start)],
    x: [...curve.x, ...newer.x.slice(start)],
    values: [...curve.values, ...newer.values.slice(start)],
  }
}

/** Points in the order of x: over a metric, or with a clock that went back, a curve turns round. Points without x are left out. */
export function inOrder(x: readonly number[], values: readonly number[]): { x: readonly number[]; values: readonly number[] } {
  const order = orderOf(x)
  return order ? { x: order.map((place) => x[place]!), values: order.map((place) => values[place]!) } : { x, values }
}

/** The places of the points in the order of x; null where they stand in order. */
export function orderOf(x: readonly number[]): number[] | null {
  if (x.every((value, index) => Number.isFinite(value) && (index === 0 || x[index - 1]! <= value))) return null
  return [...x.keys()].filter((place) => Number.isFinite(x[place])).sort((a, b) => x[a]! - x[b]!)
}
