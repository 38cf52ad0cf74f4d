/** Which curves of a run are in sight, and which points are to be read so that these are up to date. */
import { extendCurve, type Curve } from '$lib/api/curve'

export const MAX_POINTS = 2000
/** Metrics that one request may name. */
const MAX_KEYS = 50

/** Metrics to read; those in `after` only behind the step that the page has. */
export interface CurveDemand {
  keys: string[]
  after: Record<string, number>
}

function withoutPoints(key: string): Curve {
  return { key, total: 0, returned: 0, path: { steps: [], values: [], times: [] }, abandoned: [] }
}

export class LiveCurves {
  known: ReadonlyMap<string, Curve> = new Map()
  private inSight = new Set<string>()
  private behind = new Set<string>() // metrics that got points while nobody saw them

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
    for (const key of this.known.keys()) if (!this.inSight.has(key)) this.behind.add(key)
    return [...this.inSight]
  }

  /** The history changed: what is not in sight is read anew when it is. Returns the metrics to read. */
  forget(): string[] {
    this.known = new Map([...this.known].filter(([key]) => this.inSight.has(key)))
    return [...this.inSight]
  }

  /** A curve that has grown to twice MAX_POINTS is read again whole, thinned. */
  demands(keys: readonly string[], afresh: boolean): CurveDemand[] {
    const pages = Array.from({ length: Math.ceil(keys.length / MAX_KEYS) }, (_, page) => keys.slice(page * MAX_KEYS, (page + 1) * MAX_KEYS))
    return pages.map((page) => ({ keys: page, after: afresh ? {} : Object.fromEntries(page.flatMap((key) => this.lastStep(key))) }))
  }

  /** Puts in what was read on a demand. */
  take(demand: CurveDemand, read: readonly Curve[]): void {
    const curves = new Map(this.known)
    for (const curve of read) {
      const before = curve.key in demand.after ? curves.get(curve.key) : undefined
      curves.set(curve.key, before ? extendCurve(before, curve) : curve)
    }
    for (const key of demand.keys) {
      this.behind.delete(key)
      if (!curves.has(key)) curves.set(key, withoutPoints(key))
    }
    this.known = curves
  }

  private lastStep(key: string): [string, number][] {
    const curve = this.known.get(key)
    const last = curve?.path.steps.at(-1)
    return curve === undefined || last === undefined || curve.returned > 2 * MAX_POINTS ? [] : [[key, last]]
  }
}
