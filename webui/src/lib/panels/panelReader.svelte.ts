/** Reads the list of a run's panels, and the panels of some of its validations. */
import { api, messageOf } from '$lib/api/client'
import type { Panel, PanelPlace, PanelSeries } from '$lib/api/types'
import { sortPanels } from './series'

export class PanelReader {
  list: PanelSeries[] = $state.raw([])
  panels: Panel[] = $state.raw([])
  isRead = $state(false)
  error: string | null = $state(null)
  private requests = 0

  async load(run: string): Promise<void> {
    try {
      this.list = sortPanels(await api.panels(run))
      this.error = null
    } catch (cause) {
      this.error = messageOf(cause)
    }
    this.isRead = true
  }

  /** The answer of an older call comes to nothing. */
  async show(run: string, panel: string, places: readonly PanelPlace[]): Promise<void> {
    const request = ++this.requests
    try {
      const answers = await Promise.all(places.map((place) => api.panel(run, panel, place.step, place.segment)))
      if (request === this.requests) this.panels = answers
    } catch (cause) {
      this.error = messageOf(cause)
    }
  }
}
