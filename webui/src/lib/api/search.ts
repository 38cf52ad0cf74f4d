/** Requests about many runs at once: pages of them, groups, the names that a filter knows, and curves. */
import { client, request } from './client'
import { numberOf, type WireFloat } from './floats'
import type { ActionResults, RunsAction, SavedView, ProjectFields, RunGroups, RunPage, RunSummaries } from './types'

/** Which runs: a filter, and states separated by commas. */
export interface RunSelection {
  project: string
  q?: string
  state?: string
}
export interface PageQuery extends RunSelection {
  sort: string
  order: 'asc' | 'desc'
  /** Names separated by commas; the tracker answers with `Run.values`. */
  columns?: string
  count?: boolean
  cursor?: string
  limit: number
}
export interface CurvesQuery {
  runs: readonly string[]
  keys: readonly string[]
  maxPoints: number
  x?: string
  range?: readonly [number, number]
  ghosts?: boolean
  /** `single`: values of 32 bits, enough for a chart. */
  precision?: 'single' | 'double'
  summaries?: boolean
  /** By run and metric, the step up to which the page has the curve. */
  after?: Record<string, Record<string, number>>
}

/** One metric of one run; `x` are the steps where the axis is the step. Values may be NaN or infinite. */
export interface RunCurve {
  run: string
  key: string
  total: number
  steps: number[]
  x: number[]
  values: number[]
  ghosts: { x: number[]; values: number[] }[]
}

/** The most saved views that the page lists. */
const MAX_VIEWS = 1000

export const search = {
  page: (query: PageQuery): Promise<RunPage> => request(client.GET('/api/v1/runs', { params: { query } })),
  groups: (query: RunSelection & { by: string; metric?: string }): Promise<RunGroups> =>
    request(client.GET('/api/v1/runs/groups', { params: { query } })),
  fields: (project: string): Promise<ProjectFields> =>
    request(client.GET('/api/v1/fields/{project}', { params: { path: { project } } })),

  /** Acts on runs by their ids; each has a result of its own. */
  act: async (body: Pick<RunsAction, 'runs' | 'action'> & Partial<RunsAction>): Promise<ActionResults['results']> => {
    const given = { filter: null, tags: null, project: null, priority: null, ...body }
    return (await request(client.POST('/api/v1/runs/actions', { body: given }))).results ?? []
  },
  views: async (project: string): Promise<SavedView[]> => {
    const views: SavedView[] = []
    let cursor: string | null | undefined
    do {
      const page = await request(client.GET('/api/v1/views/{project}', { params: { path: { project }, query: { cursor, limit: 200 } } }))
      views.push(...(page.views ?? []))
      cursor = page.cursor
    } while (cursor && views.length < MAX_VIEWS)
    return views
  },
  saveView: (project: string, name: string, query: string, is_private: boolean): Promise<SavedView> =>
    request(client.POST('/api/v1/views/{project}', { params: { path: { project } }, body: { name, document: { query }, is_private } })),
  deleteView: (view: string) =>
    request(client.DELETE('/api/v1/view/{view}', { params: { path: { view } } })),

  curves: async (query: CurvesQuery): Promise<{ curves: RunCurve[]; summaries: RunSummaries[]; errors: { run: string; message: string }[] }> => {
    const [from, to] = query.range ?? [null, null]
    const body = {
      runs: [...query.runs], keys: [...query.keys], max_points: query.maxPoints, x: query.x ?? 'step', from, to,
      ghosts: query.ghosts ?? false, summaries: query.summaries ?? false, after: query.after ?? {}, precision: query.precision ?? 'single',
    }
    const answer = await request(client.POST('/api/v1/curves', { body }))
    return { curves: answer.curves.map(read), summaries: answer.summaries ?? [], errors: answer.errors ?? [] }
  },
}

interface Columns {
  steps: readonly number[]
  x?: readonly WireFloat[] | null
  values: readonly WireFloat[]
}

function read(wire: Columns & { run: string; key: string; total: number; ghosts?: readonly Columns[] }): RunCurve {
  const ghosts = (wire.ghosts ?? []).map(columns)
  return { run: wire.run, key: wire.key, total: wire.total, steps: [...wire.steps], ...columns(wire), ghosts }
}

function columns({ steps, x, values }: Columns): { x: number[]; values: number[] } {
  const finite = (value: WireFloat) => numberOf(value) ?? NaN
  return { x: x ? x.map(finite) : [...steps], values: values.map(finite) }
}
