/** Panels over the validations of a run: which step the page shows, and which step beside it. */
import { count } from '$lib/ui/format'
import type { PanelPlace, PanelSeries } from '$lib/api/types'

/** The order of panels: first what the model does, then what it consists of. */
const ORDER = ['boundary', 'fit', 'confusion', 'samples', 'weights', 'image', 'histograms', 'graph']

/** In the address, in place of a panel's name: what changed from the best to the last. No name begins with a slash. */
export const DIFFERENCE = '/difference'

export function sortPanels(list: PanelSeries[]): PanelSeries[] {
  const rank = (series: PanelSeries) => ORDER.indexOf(series.kind)
  return list.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

/** The index of this step on the current path, else of its newest abandoned branch, else the last index. */
export function placeAt(series: PanelSeries, step: number | null): number {
  if (step === null) return series.places.length - 1
  const living = series.places.findLastIndex((place) => place.step === step && !place.ghost)
  const any = living >= 0 ? living : series.places.findLastIndex((place) => place.step === step)
  return any >= 0 ? any : series.places.length - 1
}

/** The index of the best validation, to stand beside the shown one; null where it is the same or has no panel. */
export function bestPlaceBeside(series: PanelSeries, shown: number, bestStep: number | null): number | null {
  const best = series.places.findLastIndex((place) => place.step === bestStep && !place.ghost)
  return best < 0 || best === shown ? null : best
}

/** The labels of panels in a list: of weights only the layer and the variable. What would stand there twice keeps its whole name. */
export function panelLabels(names: readonly string[]): Map<string, string> {
  const short = names.map((name) => name.replace(/^weights\/(?:[^/]+\/)?(?=[^/]+\/)/, ''))
  return new Map(names.map((name, index) => [name, short.filter((label) => label === short[index]).length > 1 ? name : short[index]!]))
}

export function placeLabel(place: PanelPlace, bestStep: number | null): string {
  const what = place.ghost ? ' (abandoned)' : place.step === bestStep ? ' (best)' : ''
  return `step ${count(place.step)}${what}`
}

/** The two classes of a cell of the confusion matrix from the address; null for anything else. */
export function readCell(text: string): [string, string] | null {
  try {
    const cell: unknown = JSON.parse(text)
    return Array.isArray(cell) && cell.length === 2 && cell.every((name) => typeof name === 'string') ? (cell as [string, string]) : null
  } catch {
    return null
  }
}
