/** Which curves of a run are in sight, and which points are to be read so that these are up to date. */
import { extendCurve, type Curve } from '$lib/api/curve'

export const MAX_POINTS = 2000
/** Metrics that one request may name. */
const MAX_KEYS = 50

/** Metrics to read; those in `after` only behind the step that the page has. */
export interface CurveDemand {
  keys: string[]
  after: Record<string, number>
  /** How often the history had changed, and how often there were new points, when the demand was made. */
  history: number
  news: number
}

function withoutPoints(key: string): Curve {
  return { key, total: 0, returned: 0, path: { steps: [], values: [], times: [] }, abandoned: [] }
}

export class LiveCurves {
  known: ReadonlyMap<string, Curve> = new Map()
  private inSight = new Set<string>()
  private behind = new Set<string>() // metrics that got points while nobody saw them
  private outdated = new Set<string>() // metrics whose curves are of an older history
  private history = 0
  private news = 0

  /** Notes what came into sight; returns what of it is to be read. */
  show(keys: readonly string[]): string[] {
    keys.forEach((key) => this.inSight.add(key))
    return keys.filter((key) => !this.known.has(key) || this.behind.has(key))
  }

  hide(keys: readonly string[]): void {
    keys.forEach((key) => this.inSight.delete(key))
  }

  /** There are new points: returns the metrics to read, and remembers the others. */
  noteNew(): string[] {
    this.news += 1
    for (const key of this.known.keys()) if (!this.inSight.has(key)) this.behind.add(key)
    return [...this.inSight]
  }

  /** The history changed: what is not in sight is read anew when it is. Returns the metrics to read. */
  forget(): string[] {
    this.history += 1
    this.known = new Map([...this.known].filter(([key]) => this.inSight.has(key)))
    this.outdated = new Set(this.known.keys())
    return [...this.inSight]
  }

  /** A curve that has grown to twice MAX_POINTS is read again whole, thinned. */
  demands(keys: readonly string[]): CurveDemand[] {
    const pages = Array.from({ length: Math.ceil(keys.length / MAX_KEYS) }, (_, page) => keys.slice(page * MAX_KEYS, (page + 1) * MAX_KEYS))
    const { history, news } = this
    return pages.map((page) => ({ keys: page, after: Object.fromEntries(page.flatMap((key) => this.lastStep(key))), history, news }))
  }

  /** Puts in what was read on a demand; an answer of an older history comes to nothing. */
  take(demand: CurveDemand, read: readonly Curve[]): void {
    if (demand.history !== this.history) return
    const curves = new Map(this.known)
    for (const curve of read) {
      const before = this.outdated.has(curve.key) ? undefined : curves.get(curve.key)
      if (before && curve.key in demand.after) curves.set(curve.key, extendCurve(before, curve))
      else if (!before || endOf(before) <= endOf(curve)) curves.set(curve.key, curve)
    }
    for (const key of demand.keys) {
      this.outdated.delete(key)
      if (demand.news === this.news) this.behind.delete(key)
      else if (!this.inSight.has(key)) this.behind.add(key)
      if (!curves.has(key)) curves.set(key, withoutPoints(key))
    }
    this.known = curves
  }

  private lastStep(key: string): [string, number][] {
    const curve = this.known.get(key)
    const last = curve?.path.steps.at(-1)
    return curve === undefined || last === undefined || this.outdated.has(key) || curve.returned > 2 * MAX_POINTS ? [] : [[key, last]]
  }
}

function endOf({ path }: Curve): number {
  return path.steps.at(-1) ?? -1
}
