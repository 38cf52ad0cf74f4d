/** Panels over a run's looks: which place is shown, and which stands beside it. */
import type { PanelPlace, PanelSeries } from '$lib/api/types'

/** Panels in the order in which they are read: what the model does, then what it is made of. */
const ORDER = ['boundary', 'fit', 'confusion', 'samples', 'weights', 'image', 'histograms', 'graph']

export function sortPanels(list: PanelSeries[]): PanelSeries[] {
  const rank = (series: PanelSeries) => ORDER.indexOf(series.kind)
  return list.toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
}

/** The place with this step that is on the living path, else the newest one of that step, else the last of all. */
export function placeAt(series: PanelSeries, step: number | null): number {
  if (step === null) return series.places.length - 1
  const living = series.places.findLastIndex((place) => place.step === step && !place.ghost)
  const any = living >= 0 ? living : series.places.findLastIndex((place) => place.step === step)
  return any >= 0 ? any : series.places.length - 1
}

/** The place to stand beside the shown one: the best look, or null where it is the same or has no panel. */
export function bestPlaceBeside(series: PanelSeries, shown: number, bestStep: number | null): number | null {
  const best = series.places.findLastIndex((place) => place.step === bestStep && !place.ghost)
  return best < 0 || best === shown ? null : best
}

/** What a panel is called in a list: of the weights only the layer and the variable. */
export function panelLabel(name: string): string {
  return name.replace(/^weights\/(?:[^/]+\/)?(?=[^/]+\/)/, 'weights ')
}

export function placeLabel(place: PanelPlace, bestStep: number | null): string {
  const what = place.ghost ? ' (abandoned)' : place.step === bestStep ? ' (best)' : ''
  return `step ${place.step.toLocaleString('en-US')}${what}`
}
