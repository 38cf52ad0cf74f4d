/** Panels that several runs have, each at the best of its run. Pure. */
import { panelLabels, sortPanels } from '$lib/panels/series'
import type { PanelPlace, PanelSeries, Run } from '$lib/api/types'

export interface CommonPanel {
  name: string
  label: string
  /** By run; null where the run has no such panel. */
  places: (PanelPlace | null)[]
}

/** Panels of at least two runs, or of the only one, in the usual order. */
export function commonPanels(runs: readonly Run[], lists: readonly PanelSeries[][]): CommonPanel[] {
  const needed = Math.min(2, runs.length)
  const every = sortPanels([...new Map(lists.flat().map((series) => [series.name, series])).values()])
  const labels = panelLabels(every.map(({ name }) => name))
  return every
    .map(({ name }) => ({ name, label: labels.get(name)!, places: runs.map((run, at) => bestPlace(lists[at]?.find((series) => series.name === name), run.best_step)) }))
    .filter(({ places }) => places.filter(Boolean).length >= needed)
}

/** The panel of the best validation, else the last one that the run still has. */
function bestPlace(series: PanelSeries | undefined, bestStep: number | null | undefined): PanelPlace | null {
  if (!series) return null
  const living = series.places.filter((place) => !place.ghost)
  return living.findLast((place) => place.step === bestStep) ?? living.at(-1) ?? series.places.at(-1) ?? null
}
