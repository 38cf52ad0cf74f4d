/** All runs of a project, newest first: read page by page, then updated by events. */
import { api, ApiError, messageOf } from '$lib/api/client'
import type { FeedEvent } from '$lib/live/feed'
import { connection } from '$lib/live/connection.svelte'
import { Throttle } from '$lib/live/throttle'
import { applyEvent } from './applyEvent'
import type { Run } from '$lib/api/types'

const PAGE = 500
/** With more runs the table shows only the newest, and says so. */
export const MAX_RUNS = 20_000
const DRAW_MS = 250

export class RunList {
  rows: Run[] = $state.raw([])
  total: number | null = $state(null)
  loading = $state(true)
  error: string | null = $state(null)
  private byId = new Map<string, Run>()
  private round = 0
  private unlisten: () => void
  private throttle = new Throttle(DRAW_MS, () => this.show())

  constructor(private readonly project: string) {
    this.unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => void this.load() })
    void this.load()
  }

  stop(): void {
    this.round += 1
    this.unlisten()
    this.throttle.stop()
  }

  async load(): Promise<void> {
    const round = ++this.round
    this.loading = true
    const runs = new Map<string, Run>()
    try {
      let cursor: string | undefined
      do {
        const page = await api.runs({ project: this.project, limit: PAGE, cursor, count: !cursor })
        if (round !== this.round) return
        for (const run of page.runs) runs.set(run.id, run)
        this.total = page.total ?? this.total
        cursor = page.cursor ?? undefined
        if (runs.size > this.byId.size) this.replace(runs)
      } while (cursor && runs.size < MAX_RUNS)
      this.replace(runs)
      this.error = null
    } catch (error) {
      // A project begins with its first run. Until then the tracker answers 404, and the list is empty.
      this.error = error instanceof ApiError && error.status === 404 ? null : messageOf(error)
    }
    this.loading = false
  }

  private replace(runs: Map<string, Run>): void {
    this.byId = new Map(runs)
    this.show()
  }

  private show(): void {
    this.rows = [...this.byId.values()]
  }

  private apply(events: FeedEvent[]): void {
    for (const event of events) {
      if (event.project !== this.project || !event.run) continue
      const known = this.byId.get(event.run)
      if (event.kind === 'run.deleted') this.drop(event.run)
      else if (known) this.byId.set(event.run, applyEvent(known, event))
      else if (!this.loading) void this.add(event.run)
    }
    this.throttle.call()
  }

  private drop(id: string): void {
    if (this.byId.delete(id) && this.total !== null) this.total -= 1
  }

  private async add(id: string): Promise<void> {
    const run = await api.run(id).catch(() => null)
    if (!run || this.byId.has(id)) return
    this.byId.set(id, run)
    if (this.total !== null) this.total += 1
    this.throttle.call()
  }
}
