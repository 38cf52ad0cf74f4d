/** The curves of the runs whose eyes are on, for the panels in sight: one request for all that is missing and all that is new. */
import { messageOf } from '$lib/api/client'
import { search, type CurvesQuery, type RunCurve } from '$lib/api/search'
import type { RunSummaries } from '$lib/api/types'
import { connection, readInTurn } from '$lib/live/connection.svelte'
import type { FeedEvent } from '$lib/live/feed'
import { CurveShelf, type ShelfDemand } from '$lib/curves/curveShelf'

const GATHER_MS = 60
const REFRESH_MS = 2000
const MAX_POINTS = 1000
const DETAIL_POINTS = 1500

type Range = readonly [number, number] | null

export class OverlayCurves {
  /** Metrics that the shown runs have. */
  keys: readonly string[] = $state.raw([])
  error: string | null = $state(null)
  loading = $state(false)
  private curves: ReadonlyMap<string, RunCurve> = $state.raw(new Map())
  private details: ReadonlyMap<string, RunCurve> = $state.raw(new Map())
  private whole = new CurveShelf(MAX_POINTS)
  /** Every point within the zoom, of curves that are thinned. */
  private zoomed = new CurveShelf(DETAIL_POINTS)
  private range: Range = null
  private runs: readonly string[] = []
  private axis = 'step'
  private inSight = new Map<string, readonly string[]>()
  private metrics = new Map<string, readonly string[]>() // of each run
  private unlisted = new Set<string>() // runs whose metrics are to be read
  private reading: Promise<void> = Promise.resolve()
  private isStopped = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private refreshing = readInTurn(REFRESH_MS, () => this.readAll(), () => (this.range ? 2 : 1))
  private unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => this.restart() })

  stop(): void {
    this.isStopped = true
    this.unlisten()
    this.refreshing.stop()
    clearTimeout(this.timer)
  }

  /** Sets which runs are shown, over which axis. */
  show(runs: readonly string[], axis: string): void {
    this.runs = runs
    for (const run of runs) if (!this.metrics.has(run)) this.unlisted.add(run)
    if (axis !== this.axis) {
      this.axis = axis
      return this.restart()
    }
    this.listKeys()
    this.readSoon()
  }

  /** A zoom into thinned curves reads every point of that range. Only steps are a range that the tracker knows. */
  zoom(range: Range): void {
    const steps = range && this.axis === 'step' ? ([Math.max(0, Math.floor(range[0])), Math.max(0, Math.ceil(range[1]))] as const) : null
    if (String(steps) === String(this.range)) return
    this.range = steps
    this.zoomed = new CurveShelf(DETAIL_POINTS)
    this.details = this.zoomed.curves
    this.readSoon()
  }

  /** A panel came into sight. */
  see(panel: string, keys: readonly string[]): void {
    this.inSight.set(panel, keys)
    this.readSoon()
  }

  unsee(panel: string): void {
    this.inSight.delete(panel)
  }

  get(run: string, key: string): RunCurve | undefined {
    return this.curves.get(`${run} ${key}`)
  }

  /** The curve as a chart draws it: within the zoom with more of its points. */
  drawn(run: string, key: string): RunCurve | undefined {
    return this.details.get(`${run} ${key}`) ?? this.get(run, key)
  }

  retry(): void {
    this.readSoon()
  }

  private restart(): void {
    this.whole = new CurveShelf(MAX_POINTS)
    this.zoomed = new CurveShelf(DETAIL_POINTS)
    this.publish()
    this.runs.forEach((run) => this.unlisted.add(run))
    this.readSoon()
  }

  private readSoon(): void {
    clearTimeout(this.timer)
    if (!this.isStopped) this.timer = setTimeout(() => void this.readAll(), GATHER_MS)
  }

  /** One reading at a time, so that no older answer comes behind a newer one. */
  private readAll(): Promise<void> {
    return (this.reading = this.reading.then(() => this.read()))
  }

  private async read(): Promise<void> {
    this.whole.begin()
    this.zoomed.begin()
    try {
      for (let isFirst = true; !this.isStopped; isFirst = false) {
        if (!(await this.readWhole(isFirst)) && !(await this.readZoomed())) break
      }
      this.error = null
    } catch (error) {
      this.error = messageOf(error)
    }
    this.loading = false
  }

  /** Returns whether there was something to read. */
  private async readWhole(isFirst: boolean): Promise<boolean> {
    const unlisted = isFirst ? this.runs.filter((run) => this.unlisted.delete(run)) : []
    const keys = this.keysInSight()
    const demand = this.whole.demand(this.runs, keys.length > 0 ? keys : ['loss'], (run, key) => keys.length > 0 && this.has(run, key), unlisted)
    if (!demand) return false
    this.loading ||= demand.runs.some((run) => !this.metrics.has(run) || demand.keys.some((key) => !this.get(run, key)))
    try {
      const answer = await this.request(this.whole, demand, { x: this.axis, summaries: unlisted.length > 0 })
      this.list(unlisted, answer.summaries)
    } catch (error) {
      unlisted.forEach((run) => this.unlisted.add(run))
      throw error
    }
    return true
  }

  private async readZoomed(): Promise<boolean> {
    const isThinned = (run: string, key: string) => (this.get(run, key)?.steps.length ?? 0) < (this.get(run, key)?.total ?? 0)
    const demand = this.range && this.zoomed.demand(this.runs, this.keysInSight(), isThinned)
    if (!demand) return false
    await this.request(this.zoomed, demand, { range: this.range! })
    return true
  }

  private async request(shelf: CurveShelf, demand: ShelfDemand, more: Pick<CurvesQuery, 'x' | 'summaries' | 'range'>) {
    try {
      const answer = await search.curves({ ...demand, ...more })
      shelf.take(demand, answer.curves)
      this.publish()
      return answer
    } catch (error) {
      shelf.fail(demand)
      throw error
    }
  }

  private publish(): void {
    this.curves = this.whole.curves
    this.details = this.zoomed.curves
  }

  /** A run that the tracker does not know has no metrics; it is not asked for again before it makes itself heard. */
  private list(runs: readonly string[], summaries: readonly RunSummaries[]): void {
    for (const run of runs) this.metrics.set(run, [])
    for (const { run, metrics } of summaries) this.metrics.set(run, metrics.map(({ key }) => key))
    this.listKeys()
  }

  private listKeys(): void {
    const keys = [...new Set(this.runs.flatMap((run) => this.metrics.get(run) ?? []))].sort()
    if (keys.join('\n') !== this.keys.join('\n')) this.keys = keys
  }

  private keysInSight(): string[] {
    return [...new Set([...this.inSight.values()].flat())]
  }

  private has(run: string, key: string): boolean {
    return this.metrics.get(run)?.includes(key) ?? true
  }

  /** Runs whose eyes are off are noted too: their curves may be shown again. */
  private apply(events: readonly FeedEvent[]): void {
    for (const { run, kind } of events) {
      if (!run || !(this.metrics.has(run) || this.runs.includes(run))) continue
      for (const shelf of [this.whole, this.zoomed]) {
        // A new segment makes abandoned branches of points that the page holds.
        if (kind === 'run.segment') shelf.forget(run)
        else shelf.noteNew(run)
      }
      this.unlisted.add(run)
      if (this.runs.includes(run)) this.refreshing.call()
    }
  }
}
