/** Small curves of the monitored metric, for the rows of a list: many runs in one request. */
import { search } from '$lib/api/search'
import type { Run } from '$lib/api/types'
import { connection } from '$lib/live/connection.svelte'
import { FINAL } from '$lib/ui/labels'

const POINTS = 48
const MAX_RUNS = 100
/** A run that trains is read again after so long. */
const FRESH_MS = 10_000

export class Sparklines {
  curves: ReadonlyMap<string, readonly number[]> = $state.raw(new Map())
  private readAt = new Map<string, number>()

  /** Reads the curves of runs that are not known yet, or that train. */
  want(runs: readonly Run[]): void {
    const now = Date.now()
    const wanted = runs.filter((run) => this.isStale(run, now)).slice(0, MAX_RUNS)
    if (wanted.length === 0) return
    const isRefresh = wanted.every((run) => this.readAt.has(run.id))
    wanted.forEach((run) => this.readAt.set(run.id, FINAL.has(run.state) ? Infinity : now))
    void (isRefresh ? connection.turn(1) : Promise.resolve()).then(() => this.read(wanted))
  }

  private isStale(run: Run, now: number): boolean {
    const at = this.readAt.get(run.id)
    return at === undefined || now - at > FRESH_MS
  }

  /** A sparkline that cannot be read is missing until the list changes again; the list reports a tracker that is away. */
  private async read(runs: readonly Run[]): Promise<void> {
    const keys = [...new Set(runs.map((run) => run.spec.monitor))].slice(0, 10)
    const monitors = new Map(runs.map((run) => [run.id, run.spec.monitor]))
    const answer = await search.curves({ runs: runs.map((run) => run.id), keys, maxPoints: POINTS }).catch(() => null)
    if (!answer) return runs.forEach((run) => this.readAt.delete(run.id))
    const read = answer.curves.filter((curve) => monitors.get(curve.run) === curve.key)
    this.curves = new Map([...this.curves, ...read.map((curve) => [curve.run, curve.values] as const)])
  }
}

/** The path of a sparkline in a box; values that are not finite break the line. */
export function sparkPath(values: readonly number[], width: number, height: number): string {
  const finite = values.filter(Number.isFinite)
  if (finite.length === 0) return ''
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  const x = (index: number) => (values.length > 1 ? (index / (values.length - 1)) * width : width / 2)
  const y = (value: number) => (high > low ? height - ((value - low) / (high - low)) * height : height / 2)
  let isDown = false
  return values.map((value, index) => {
    if (!Number.isFinite(value)) return void (isDown = false)
    const command = isDown ? 'L' : 'M'
    isDown = true
    return `${command}${x(index).toFixed(1)} ${y(value).toFixed(1)}`
  }).filter(Boolean).join('')
}
