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
  private details: ReadonlyMap<string, ReadonlyMap<string, RunCurve>> = $state.raw(new Map())
  private whole = new CurveShelf(MAX_POINTS)
  /** By range: more points of curves that are thinned. */
  private zoomed = new Map<string, CurveShelf>()
  private runs: readonly string[] = []
  private likely: readonly string[] = [] // metrics to ask for before it is known which there are
  private axis = 'step'
  private inSight = new Map<string, { keys: readonly string[]; range: Range }>()
  private metrics = new Map<string, readonly string[]>() // of each run
  private unlisted = new Set<string>() // runs whose metrics are to be read
  private reading: Promise<void> = Promise.resolve()
  private isStopped = false
  private timer: ReturnType<typeof setTimeout> | undefined
  private refreshing = readInTurn(REFRESH_MS, () => this.readAll(), () => 1 + this.zoomed.size)
  private unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => this.restart() })

  stop(): void {
    this.isStopped = true
    this.unlisten()
    this.refreshing.stop()
    clearTimeout(this.timer)
  }

  /** Sets which runs are shown, over which axis; `likely` are the metrics that will be seen first. */
  show(runs: readonly string[], axis: string, likely: readonly string[] = []): void {
    this.runs = runs
    this.likely = likely
    for (const run of runs) if (!this.metrics.has(run)) this.unlisted.add(run)
    if (axis !== this.axis) {
      this.axis = axis
      return this.restart()
    }
    this.listKeys()
    this.readSoon()
  }

  /** A panel came into sight, or is zoomed: a zoom into thinned curves reads the points of that range. */
  see(panel: string, keys: readonly string[], range: Range): void {
    this.inSight.set(panel, { keys, range })
    this.readSoon()
  }

  unsee(panel: string): void {
    this.inSight.delete(panel)
  }

  get(run: string, key: string): RunCurve | undefined {
    return this.curves.get(`${run} ${key}`)
  }

  /** The curve as a chart draws it: within the zoom with more of its points. */
  drawn(run: string, key: string, range: Range): RunCurve | undefined {
    return (range && this.details.get(rangeName(range))?.get(`${run} ${key}`)) || this.get(run, key)
  }

  retry(): void {
    this.readSoon()
  }

  private restart(): void {
    this.whole = new CurveShelf(MAX_POINTS)
    this.zoomed.clear()
    this.publish()
    this.runs.forEach((run) => this.unlisted.add(run))
    this.readSoon()
  }

  private readSoon(): void {
    clearTimeout(this.timer)
    if (!this.isStopped) this.timer = setTimeout(() => void this.readAll(), this.metrics.size > 0 ? GATHER_MS : 0)
  }

  /** One reading at a time, so that no older answer comes behind a newer one. */
  private readAll(): Promise<void> {
    return (this.reading = this.reading.then(() => this.read()))
  }

  private async read(): Promise<void> {
    this.whole.begin()
    this.zoomed.forEach((shelf) => shelf.begin())
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
    const demand = this.whole.demand(this.runs, keys.length > 0 ? keys : this.likely.length > 0 ? this.likely : ['loss'], (run, key) => keys.length > 0 && this.has(run, key), unlisted)
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

  /** Only steps are a range that the tracker knows. */
  private async readZoomed(): Promise<boolean> {
    const panels = this.axis === 'step' ? [...this.inSight.values()] : []
    const ranges = new Map(panels.flatMap(({ range }) => (range ? [[rangeName(range), range]] : [])))
    for (const name of this.zoomed.keys()) if (!ranges.has(name)) this.zoomed.delete(name)
    for (const [name, range] of ranges) {
      const shelf = this.zoomed.get(name) ?? new CurveShelf(DETAIL_POINTS)
      this.zoomed.set(name, shelf)
      const keys = [...new Set(panels.flatMap((panel) => (panel.range && rangeName(panel.range) === name ? panel.keys : [])))]
      const demand = shelf.demand(this.runs, keys, (run, key) => this.isThinned(run, key))
      if (demand) {
        await this.request(shelf, demand, { range: stepsOf(range) })
        return true
      }
    }
    return false
  }

  private isThinned(run: string, key: string): boolean {
    const curve = this.get(run, key)
    return curve !== undefined && curve.steps.length < curve.total
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
    this.details = new Map([...this.zoomed].map(([name, shelf]) => [name, shelf.curves]))
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
    return [...new Set([...this.inSight.values()].flatMap(({ keys }) => keys))]
  }

  private has(run: string, key: string): boolean {
    return this.metrics.get(run)?.includes(key) ?? true
  }

  /** Runs whose eyes are off are noted too: their curves may be shown again. */
  private apply(events: readonly FeedEvent[]): void {
    for (const { run, kind } of events) {
      if (!run || !(this.metrics.has(run) || this.runs.includes(run))) continue
      for (const shelf of [this.whole, ...this.zoomed.values()]) {
        // A new segment makes abandoned branches of points that the page holds.
        if (kind === 'run.segment') shelf.forget(run)
        else shelf.noteNew(run)
      }
      this.unlisted.add(run)
      if (this.runs.includes(run)) this.refreshing.call()
    }
  }
}

function rangeName(range: readonly [number, number]): string {
  return stepsOf(range).join()
}

function stepsOf([from, to]: readonly [number, number]): readonly [number, number] {
  return [Math.max(0, Math.floor(from)), Math.max(0, Math.ceil(to))]
}
