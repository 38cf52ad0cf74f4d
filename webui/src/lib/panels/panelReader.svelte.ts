/** Reads the list of a run's panels, and the panels of some of its validations; reads again in turn with the other pages. */
import { api, messageOf } from '$lib/api/client'
import type { Panel, PanelPlace, PanelSeries } from '$lib/api/types'
import { readInTurn } from '$lib/live/connection.svelte'
import { sortPanels } from './series'

const REFRESH_MS = 1500
/** Reading the list again may bring two new panels. */
const REQUESTS = 3

export class PanelReader {
  list: PanelSeries[] = $state.raw([])
  panels: Panel[] = $state.raw([])
  isRead = $state(false)
  error: string | null = $state(null)
  private run: string | null = null
  private shown = ''
  private refreshing = readInTurn(REFRESH_MS, () => this.readList(), () => REQUESTS)

  stop(): void {
    this.refreshing.stop()
  }

  /** Reads the list of another run at once, that of the same run again soon. */
  load(run: string): void {
    if (run === this.run) return this.refreshing.call()
    this.clear()
    this.run = run
    void this.readList()
  }

  /** Forgets the run. */
  clear(): void {
    this.run = null
    this.shown = ''
    this.list = []
    this.panels = []
    this.isRead = false
  }

  /** Reads these panels, unless they are shown already; the answer of an older call comes to nothing. */
  async show(run: string, panel: string, places: readonly PanelPlace[]): Promise<void> {
    const wanted = JSON.stringify([run, panel, ...places.map(({ step, segment }) => [step, segment])])
    if (wanted === this.shown) return
    this.shown = wanted
    try {
      const answers = await Promise.all(places.map((place) => api.panel(run, panel, place.step, place.segment)))
      if (wanted === this.shown) this.panels = answers
    } catch (cause) {
      if (wanted !== this.shown) return
      this.shown = ''
      this.error = messageOf(cause)
    }
  }

  private async readList(): Promise<void> {
    const { run } = this
    if (run === null) return
    try {
      const list = sortPanels(await api.panels(run))
      if (run !== this.run) return
      this.list = list
      this.error = null
    } catch (cause) {
      if (run === this.run) this.error = messageOf(cause)
    }
    this.isRead ||= run === this.run
  }
}
