/** The curves that a page holds of many runs, and what of them is to be read. Pure: an answer that comes late is never
 * mixed with points that are newer, and the end of a curve is never taken for the whole of it. */
import type { RunCurve } from '$lib/api/search'
import { extendRunCurve } from './curveTails'
import { MAX_ANSWER } from './wholeCurves'

/** Curves and metrics of one request, as the tracker limits them. */
const MAX_CURVES = 1000
const MAX_KEYS = 50

/** One request: these metrics of these runs, behind the steps in `after` where the page holds the curve. */
export interface ShelfDemand {
  runs: readonly string[]
  keys: readonly string[]
  maxPoints: number
  after: Record<string, Record<string, number>>
}
interface Asked {
  /** By run, how often its history had changed, and how often it had new points, when the demand was made. */
  histories: ReadonlyMap<string, number>
  news: ReadonlyMap<string, number>
  due: readonly string[]
}

export class CurveShelf {
  /** By run and metric. */
  curves: ReadonlyMap<string, RunCurve> = new Map()
  private absent = new Set<string>()
  private behind = new Set<string>()
  private due = new Set<string>() // of those behind, what this round reads
  private histories = new Map<string, number>()
  private news = new Map<string, number>()
  private asked = new WeakMap<ShelfDemand, Asked>()

  constructor(private readonly maxPoints: number) {}

  get(run: string, key: string): RunCurve | undefined {
    return this.curves.get(nameOf(run, key))
  }

  /** The run has new points: all its curves are behind, those out of sight too. */
  noteNew(run: string): void {
    this.news.set(run, (this.news.get(run) ?? 0) + 1)
    for (const name of this.curves.keys()) if (isOf(run, name)) this.behind.add(name)
    for (const name of this.absent) if (isOf(run, name)) this.absent.delete(name)
  }

  /** The run's history changed: points that the page holds may lie on an abandoned branch. */
  forget(run: string): void {
    this.histories.set(run, (this.histories.get(run) ?? 0) + 1)
    this.curves = new Map([...this.curves].filter(([name]) => !isOf(run, name)))
    for (const names of [this.absent, this.behind, this.due]) for (const name of names) if (isOf(run, name)) names.delete(name)
  }

  /** Begins a round: points that come from now on are read in the next one, so that a run that hurries makes no more requests. */
  begin(): void {
    this.behind.forEach((name) => this.due.add(name))
    this.behind.clear()
  }

  /** What to read next of these, in one request; null where nothing is to be read. `always` are runs that must be in it. */
  demand(runs: readonly string[], keys: readonly string[], has: (run: string, key: string) => boolean, always: readonly string[] = []): ShelfDemand | null {
    const isToRead = (run: string, key: string) => has(run, key) && this.isToRead(nameOf(run, key))
    const wanted = runs.filter((run) => always.includes(run) || keys.some((key) => isToRead(run, key)))
    if (wanted.length === 0) return null
    const needed = keys.filter((key) => wanted.some((run) => isToRead(run, key)))
    const page = (needed.length > 0 ? needed : keys).slice(0, Math.max(1, Math.min(MAX_KEYS, Math.floor(MAX_CURVES / wanted.length))))
    const after = Object.fromEntries(wanted.map((run) => [run, this.lastSteps(run, page)]))
    const demand = { runs: wanted, keys: page, after, maxPoints: Math.min(this.maxPoints, Math.floor(MAX_ANSWER / (wanted.length * page.length))) }
    this.note(demand)
    return demand
  }

  /** Puts in what was read on a demand. Curves of a run whose history changed meanwhile are to be read again. */
  take(demand: ShelfDemand, read: readonly RunCurve[]): void {
    const { histories, news } = this.asked.get(demand)!
    const isCurrent = (run: string) => histories.get(run) === this.histories.get(run)
    const hasNews = (run: string) => news.get(run) !== this.news.get(run)
    const curves = new Map(this.curves)
    for (const curve of read) {
      const name = nameOf(curve.run, curve.key)
      const before = demand.after[curve.run]?.[curve.key] === undefined ? undefined : curves.get(name)
      if (isCurrent(curve.run)) curves.set(name, before ? extendRunCurve(before, curve) : curve)
    }
    this.curves = curves
    for (const name of namesOf(demand, (run) => isCurrent(run) && !hasNews(run))) if (!curves.has(name)) this.absent.add(name)
    for (const name of namesOf(demand, hasNews)) if (curves.has(name)) this.behind.add(name)
  }

  /** The demand was not answered: what it would have read is still to be read. */
  fail(demand: ShelfDemand): void {
    for (const name of this.asked.get(demand)!.due) if (this.curves.has(name)) this.behind.add(name)
  }

  private note(demand: ShelfDemand): void {
    const due = namesOf(demand).filter((name) => this.due.delete(name))
    this.asked.set(demand, { due, histories: new Map(this.histories), news: new Map(this.news) })
  }

  private isToRead(name: string): boolean {
    return this.curves.has(name) ? this.due.has(name) : !this.absent.has(name)
  }

  /** A curve that has grown to twice its size is read again whole, thinned. */
  private lastSteps(run: string, keys: readonly string[]): Record<string, number> {
    const entries = keys.flatMap((key): [string, number][] => {
      const steps = this.get(run, key)?.steps ?? []
      return steps.length === 0 || steps.length > 2 * this.maxPoints ? [] : [[key, steps.at(-1)!]]
    })
    return Object.fromEntries(entries)
  }
}

function namesOf({ runs, keys }: ShelfDemand, isMeant: (run: string) => boolean = () => true): string[] {
  return runs.filter(isMeant).flatMap((run) => keys.map((key) => nameOf(run, key)))
}

/** A run's id holds no space. */
function nameOf(run: string, key: string): string {
  return `${run} ${key}`
}

function isOf(run: string, name: string): boolean {
  return name.startsWith(`${run} `)
}
