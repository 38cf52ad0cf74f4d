/** The curves of the runs whose eyes are on, for the panels in sight: one request for all that is missing, one for all that is new. */
import { messageOf } from '$lib/api/client'
import { search, type RunCurve } from '$lib/api/search'
import { connection } from '$lib/live/connection.svelte'
import type { FeedEvent } from '$lib/live/feed'
import { Throttle } from '$lib/live/throttle'
import { extendRunCurve } from './curveTails'

const GATHER_MS = 60
const REFRESH_MS = 2000
const MAX_POINTS = 1000
const MAX_KEYS = 50
/** Curves of one request, and points of one answer, as the tracker limits them. */
const MAX_CURVES = 1000
const MAX_ANSWER = 1_000_000

export class OverlayCurves {
  /** By run and metric. */
  curves: ReadonlyMap<string, RunCurve> = $state.raw(new Map())
  /** Metrics that the shown runs have. */
  keys: readonly string[] = $state.raw([])
  error: string | null = $state(null)
  loading = $state(false)
  private runs: readonly string[] = []
  private axis = 'step'
  private inSight = new Map<string, readonly string[]>()
  private dirty = new Set<string>()
  private known = new Map<string, readonly string[]>() // metrics of each run
  private absent = new Set<string>()
  private round = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private refreshing = new Throttle(REFRESH_MS, () => this.readNew())
  private unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => this.restart() })

  stop(): void {
    this.round += 1
    this.unlisten()
    this.refreshing.stop()
    clearTimeout(this.timer)
  }

  /** Sets which runs are shown, over which axis. */
  show(runs: readonly string[], axis: string): void {
    this.runs = runs
    if (axis !== this.axis) {
      this.axis = axis
      return this.restart()
    }
    this.listKeys()
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
    return this.curves.get(nameOf(run, key))
  }

  private restart(): void {
    this.round += 1
    this.curves = new Map()
    this.absent.clear()
    this.readSoon()
  }

  private readSoon(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.readMissing(), GATHER_MS)
  }

  private async readMissing(): Promise<void> {
    const unknown = this.runs.filter((run) => !this.known.has(run))
    const keys = this.keysInSight()
    const missing = this.runs.filter((run) => unknown.includes(run) || keys.some((key) => this.isMissing(run, key)))
    if (missing.length === 0) return
    const wanted = keys.filter((key) => missing.some((run) => this.isMissing(run, key)))
    this.loading = true
    await this.read(missing, wanted.length > 0 ? wanted : ['loss'], { summaries: unknown.length > 0 })
    this.loading = false
  }

  private async readNew(): Promise<void> {
    const runs = this.runs.filter((run) => this.dirty.has(run))
    const keys = this.keysInSight()
    this.dirty.clear()
    if (keys.length === 0) return this.readMissing()
    if (runs.length === 0) return
    const after = Object.fromEntries(runs.map((run) => [run, this.lastSteps(run, keys)]))
    await this.read(runs, keys, { after, summaries: true })
  }

  private async read(runs: readonly string[], keys: readonly string[], more: { summaries?: boolean; after?: Record<string, Record<string, number>> }): Promise<void> {
    const round = this.round
    for (let first = 0; first < keys.length; first += MAX_KEYS) {
      const page = keys.slice(first, first + Math.min(MAX_KEYS, Math.floor(MAX_CURVES / runs.length)))
      const maxPoints = Math.min(MAX_POINTS, Math.floor(MAX_ANSWER / (runs.length * page.length)))
      try {
        const answer = await search.curves({ runs, keys: page, maxPoints, x: this.axis, ...more, summaries: more.summaries && first === 0 })
        if (round !== this.round) return
        for (const { run, metrics } of answer.summaries) this.known.set(run, metrics.map(({ key }) => key))
        for (const run of runs) for (const key of page) this.absent.add(nameOf(run, key))
        this.take(answer.curves, more.after)
        this.error = null
      } catch (error) {
        this.error = messageOf(error)
        return
      }
    }
    this.listKeys()
    if (more.summaries) this.readSoon()
  }

  private take(read: readonly RunCurve[], after: Record<string, Record<string, number>> | undefined): void {
    const curves = new Map(this.curves)
    for (const curve of read) {
      const name = nameOf(curve.run, curve.key)
      const before = after?.[curve.run]?.[curve.key] === undefined ? undefined : curves.get(name)
      curves.set(name, before ? extendRunCurve(before, curve) : curve)
    }
    this.curves = curves
  }

  private listKeys(): void {
    const keys = [...new Set(this.runs.flatMap((run) => this.known.get(run) ?? []))].sort()
    if (keys.join('\n') !== this.keys.join('\n')) this.keys = keys
  }

  private keysInSight(): string[] {
    return [...new Set([...this.inSight.values()].flat())]
  }

  /** What was asked for and did not come is not asked for again, until there are new points. */
  private isMissing(run: string, key: string): boolean {
    const name = nameOf(run, key)
    return !this.curves.has(name) && !this.absent.has(name) && (this.known.get(run)?.includes(key) ?? true)
  }

  private lastSteps(run: string, keys: readonly string[]): Record<string, number> {
    const entries = keys.flatMap((key): [string, number][] => {
      const curve = this.get(run, key)
      const last = curve?.steps.at(-1)
      return last === undefined || curve!.steps.length > 2 * MAX_POINTS ? [] : [[key, last]]
    })
    return Object.fromEntries(entries)
  }

  private apply(events: readonly FeedEvent[]): void {
    for (const { run, kind } of events) {
      if (!run || !this.runs.includes(run)) continue
      // A new segment makes abandoned branches of points that the page holds.
      if (kind === 'run.segment') this.forget(run)
      this.dirty.add(run)
      if (!this.known.get(run)?.length) this.known.delete(run)
    }
    if (this.dirty.size > 0) this.refreshing.call()
  }

  private forget(run: string): void {
    this.curves = new Map([...this.curves].filter(([, curve]) => curve.run !== run))
  }
}

function nameOf(run: string, key: string): string {
  return `${run} ${key}`
}
