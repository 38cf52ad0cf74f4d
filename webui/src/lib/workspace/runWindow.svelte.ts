/** The runs of a project as the tracker finds and sorts them: read in windows while one scrolls, kept up to date by events. */
import { ApiError, messageOf } from '$lib/api/client'
import { search } from '$lib/api/search'
import type { Run, RunPage } from '$lib/api/types'
import { connection, readInTurn } from '$lib/live/connection.svelte'
import type { FeedEvent } from '$lib/live/feed'
import { LatestRequest } from '$lib/live/latestRequest'
import { Throttle } from '$lib/live/throttle'
import { applyEvent } from '$lib/run/applyEvent'
import type { WorkspaceView } from './view'

const PAGE = 50
/** The most rows that one request brings, and the most that a refresh reads again. */
const MAX_PAGE = 500
const MAX_REFRESHED = 1000
/** Runs that one filter names. */
const MAX_NAMED = 100
const DRAW_MS = 250
const REFRESH_MS = 2000

export interface ListQuery {
  q: string
  state: string
  sort: string
  order: 'asc' | 'desc'
  columns: string
}

const ACTIVE = 'queued,leased,running,paused'

/** The states that a list is narrowed to, with commas between. */
export function statesOf(group: string): string {
  return group === 'all' ? '' : group === 'active' ? ACTIVE : group
}

/** The list that a view of the page names. */
export function listQueryOf({ q, group, sort, down }: Pick<WorkspaceView, 'q' | 'group' | 'sort' | 'down'>, columns: string): ListQuery {
  return { q: q.trim(), state: statesOf(group), sort, order: down ? 'desc' : 'asc', columns }
}

/** A request for a window of the list. */
export function pageQueryOf(project: string, query: ListQuery, more: { count?: boolean; cursor?: string }) {
  const { q, state, columns, ...order } = query
  const given = Object.fromEntries(Object.entries({ q, state, columns }).filter(([, text]) => text !== ''))
  return { project, ...given, ...order, ...more, limit: PAGE }
}

export class RunWindow {
  rows: Run[] = $state.raw([])
  /** Runs that the page shows though they may lie beyond the window: pinned ones, and those with an eye on. */
  kept: ReadonlyMap<string, Run> = $state.raw(new Map())
  /** How many match; `isLeast` where the tracker stopped counting. */
  total: number | null = $state(null)
  isLeast = $state(false)
  loading = $state(true)
  hasMore = $state(false)
  error: string | null = $state(null)
  /** Why the filter cannot be understood, with its place. */
  refusal: string | null = $state(null)

  private query: ListQuery | null = null
  private answered: ListQuery | null = null
  private cursor: string | null = null
  private isReadingMore = false
  private wanted: readonly string[] = []
  private unknown = new Set<string>() // wanted runs that the tracker does not have
  private pages: LatestRequest<ListQuery, RunPage>
  private draw = new Throttle(DRAW_MS, () => this.publish())
  private refreshing = readInTurn(REFRESH_MS, () => this.readAgain(), () => this.countRequests())
  private pending = new Map<string, Run>()
  private unlisten: () => void

  constructor(private readonly project: string) {
    this.pages = new LatestRequest((query) => this.readFirst(query), {
      answer: (page, query) => this.take(page, query),
      error: (error) => this.fail(error),
    })
    this.unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => this.refresh() })
  }

  stop(): void {
    this.unlisten()
    this.pages.stop()
    this.draw.stop()
    this.refreshing.stop()
  }

  show(query: ListQuery): void {
    this.query = query
    this.loading = true
    this.pages.send(query)
  }

  refresh(): void {
    void this.readAgain()
  }

  /** Reads the next window. */
  async more(): Promise<void> {
    const { answered, cursor } = this
    if (!answered || !cursor || this.isReadingMore) return
    this.isReadingMore = true
    try {
      const page = await search.page(this.pageOf(answered, { cursor }))
      // Another list, or the same list read again, has a cursor of its own.
      if (answered !== this.answered || cursor !== this.cursor) return
      this.rows = distinct([...this.rows, ...page.runs])
      this.cursor = page.cursor ?? null
      this.hasMore = this.cursor !== null
    } catch (error) {
      this.fail(error)
    } finally {
      this.isReadingMore = false
    }
  }

  /** Reads those of these runs that are not in the list. */
  keep(runs: readonly string[]): void {
    this.wanted = runs
    const listed = new Set(this.rows.map((run) => run.id))
    const missing = runs.filter((run) => !listed.has(run) && !this.kept.has(run) && !this.unknown.has(run))
    if (missing.length > 0) void this.readKept(missing)
  }

  /** Takes a run as the tracker answered it: newer than the events that wait to be drawn. */
  put(run: Run): void {
    this.pending.delete(run.id)
    this.rows = this.rows.map((row) => (row.id === run.id ? { ...run, values: row.values } : row))
    if (this.kept.has(run.id)) this.kept = new Map(this.kept).set(run.id, run)
  }

  /** Reads every run that matches, in order; `progress` hears how many have come. */
  async readAll(progress: (runs: number) => void): Promise<Run[]> {
    const runs: Run[] = []
    let cursor: string | undefined
    do {
      const page = await search.page({ ...this.pageOf(this.query!, { cursor }), limit: MAX_PAGE })
      runs.push(...page.runs)
      cursor = page.cursor ?? undefined
      progress(runs.length)
    } while (cursor)
    return distinct(runs)
  }

  private pageOf(query: ListQuery, more: { count?: boolean; cursor?: string }) {
    return pageQueryOf(this.project, query, more)
  }

  private take(page: RunPage, query: ListQuery): void {
    const rest = page.cursor && same(query, this.answered) ? this.behind(page.runs) : []
    this.rows = distinct([...page.runs, ...rest])
    if (rest.length === 0) this.cursor = page.cursor ?? null
    this.hasMore = this.cursor !== null
    this.total = page.total ?? null
    this.isLeast = page.total_is_least ?? false
    this.answered = query
    this.loading = false
    this.error = this.refusal = null
  }

  /** A list that was read very far keeps what lies behind the part that was read again: new runs push rows into it. */
  private behind(read: readonly Run[]): Run[] {
    if (this.rows.length <= MAX_REFRESHED) return []
    const places = new Map(this.rows.map(({ id }, place) => [id, place]))
    const last = read.findLast(({ id }) => places.has(id))
    return last ? this.rows.slice(places.get(last.id)! + 1) : []
  }

  private fail(error: unknown): void {
    this.loading = false
    if (error instanceof ApiError && error.field === 'q') this.refusal = messageOf(error)
    // A project begins with its first run. Until then the tracker answers 404, and the list is empty.
    else this.error = error instanceof ApiError && error.status === 404 ? null : messageOf(error)
  }

  private async readAgain(): Promise<void> {
    if (!this.query) return
    const listed = new Set(this.rows.map((run) => run.id))
    const beyond = this.wanted.filter((run) => !listed.has(run))
    this.pages.send(this.query)
    await Promise.all([this.pages.settle(), beyond.length > 0 && this.readKept(beyond)])
  }

  private countRequests(): number {
    const rows = Math.min(MAX_REFRESHED, Math.max(PAGE, this.rows.length))
    return Math.ceil(rows / MAX_PAGE) + Math.ceil(this.wanted.length / MAX_NAMED)
  }

  /** Reads the first window; of a list that is shown already, as many rows as it has. */
  private async readFirst(query: ListQuery): Promise<RunPage> {
    const rows = same(query, this.answered) ? Math.min(MAX_REFRESHED, this.rows.length) : PAGE
    const first = await search.page({ ...this.pageOf(query, { count: true }), limit: Math.min(MAX_PAGE, Math.max(PAGE, rows)) })
    const runs = [...first.runs]
    let { cursor } = first
    while (cursor && runs.length < rows) {
      const next = await search.page({ ...this.pageOf(query, { cursor }), limit: Math.min(MAX_PAGE, rows - runs.length) })
      runs.push(...next.runs)
      cursor = next.cursor
    }
    return { ...first, runs, cursor }
  }

  private async readKept(wanted: readonly string[]): Promise<void> {
    // A run that does not come is not asked for again, until an event brings it.
    wanted.forEach((run) => this.unknown.add(run))
    try {
      for (let first = 0; first < wanted.length; first += MAX_NAMED) {
        const q = `id in (${wanted.slice(first, first + MAX_NAMED).join(', ')})`
        const { runs } = await search.page({ ...this.pageOf({ ...this.query!, q, state: '' }, {}), limit: MAX_NAMED })
        runs.forEach((run) => this.unknown.delete(run.id))
        this.kept = new Map([...this.kept, ...runs.map((run) => [run.id, run] as const)])
      }
    } catch (error) {
      wanted.forEach((run) => this.unknown.delete(run))
      this.fail(error)
    }
  }

  private apply(events: FeedEvent[]): void {
    for (const event of events) {
      if (event.project !== this.project || !event.run) continue
      if (event.kind === 'run.deleted') this.drop(event.run)
      else this.note(event.run, event)
    }
    if (this.pending.size > 0) this.draw.call()
  }

  private note(id: string, event: FeedEvent): void {
    const known = this.pending.get(id) ?? this.kept.get(id) ?? this.rows.find((run) => run.id === id)
    if (known) this.pending.set(id, applyEvent(known, event))
    // A run that is not in the list may be new, and values of columns come from the tracker.
    if (!known || this.query?.columns) this.refreshing.call()
  }

  private publish(): void {
    const { pending } = this
    this.pending = new Map()
    this.rows = this.rows.map((run) => pending.get(run.id) ?? run)
    if ([...pending.keys()].some((id) => this.kept.has(id))) {
      this.kept = new Map([...this.kept].map(([id, run]) => [id, pending.get(id) ?? run]))
    }
  }

  private drop(id: string): void {
    if (this.rows.some((run) => run.id === id) && this.total !== null) this.total -= 1
    this.rows = this.rows.filter((run) => run.id !== id)
    this.kept = new Map([...this.kept].filter(([kept]) => kept !== id))
    this.pending.delete(id)
  }
}

function same(a: ListQuery, b: ListQuery | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The first of each run stays. */
function distinct(runs: readonly Run[]): Run[] {
  const ids = new Set<string>()
  return runs.filter(({ id }) => !ids.has(id) && ids.add(id))
}
