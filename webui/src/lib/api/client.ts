/** One function a request. A request that fails throws an `ApiError` with the tracker's message and hint. */
import createClient from 'openapi-fetch'
import { clock } from '$lib/live/clock.svelte'
import { readRunCurve, type Curve, type WireCurve } from './curve'
import type { Artifact, Checkpoint, Command, CommandRequest, TestResult, LogPiece, Validation, Me, MetricSummary, Paths, Project, ProjectRules, Run, RulesRequest, RunPage, RunPatch, RunRequest } from './types'
import type { CheckpointDiff, PanelDifference, RunComparison, VariableList, VariableValues } from './types'
import type { ForkRequest, Panel, PanelSeries, Provenance, Receipt, Replay, ReplayRequest, Report, ResumeRequest, Segment, Sweep, SweepImportance, SweepRuns, Token, Undeleted, User, Worker } from './types'

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string | null = null,
    readonly field: string | null = null,
  ) {
    super(message)
  }
}

export const client = createClient<Paths>({ baseUrl: '/' })
client.use({ onResponse: ({ response }) => clock.hear(response.headers) })
let onSignedOut = () => {}

/** The client calls `handler` when the tracker answers that nobody is signed in. */
export function whenSignedOut(handler: () => void): void {
  onSignedOut = handler
}

interface Outcome<T> {
  data?: T
  error?: unknown
  response: Response
}

export async function request<T>(call: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await call.catch(() => {
    throw new ApiError(0, 'unreachable', 'The tracker does not answer.', 'Start it with `keepbest up`, or check your network.')
  })
  if (response.ok) return data as T
  const failure = toError(error, response.status)
  if (failure.status === 401) onSignedOut()
  throw failure
}

function toError(body: unknown, status: number): ApiError {
  const answered = (body as { error?: Record<string, string | null> } | undefined)?.error
  if (!answered) return new ApiError(status, 'internal', `The tracker answered with HTTP status ${status}.`)
  return new ApiError(status, answered.code ?? 'internal', answered.message ?? '', answered.hint ?? null, answered.field ?? null)
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError) return error.hint ? `${error.message} ${error.hint}` : error.message
  return error instanceof Error ? error.message : String(error)
}

export const api = {
  me: (): Promise<Me> => request(client.GET('/api/v1/me')),
  /** Signs in by the code of a one-time link, a token, or the secret of a read-only link. */
  signIn: (proof: Proof): Promise<Me> => request(client.POST('/api/v1/signin', { body: { code: null, token: null, share: null, ...proof } })),
  signOut: () => request(client.POST('/api/v1/signout')),

  /** Every project, or every one that was archived. */
  projects: async (archived = false): Promise<Project[]> => {
    const list: Project[] = []
    let cursor: string | undefined
    do {
      const page = await request(client.GET('/api/v1/projects', { params: { query: { archived, cursor } } }))
      list.push(...page.projects)
      cursor = page.cursor ?? undefined
    } while (cursor)
    return list
  },

  /** Returns the rules and their version, `tag`, for `setRules`. */
  rules: async (project: string): Promise<{ value: ProjectRules; tag: string }> => {
    const call = client.GET('/api/v1/rules/{project}', { params: { path: { project } } })
    return { value: await request(call), tag: (await call).response.headers.get('ETag') ?? '' }
  },
  /** The tracker refuses with status 412 when somebody changed the rules after `tag`. */
  setRules: (project: string, body: RulesRequest, tag: string): Promise<ProjectRules> =>
    request(client.PUT('/api/v1/rules/{project}', { params: { path: { project } }, body, headers: { 'If-Match': tag } })),

  runs: (query: RunQuery): Promise<RunPage> => request(client.GET('/api/v1/runs', { params: { query } })),
  submit: (body: Pick<RunRequest, 'source'> & Partial<RunRequest>): Promise<Run> =>
    request(client.POST('/api/v1/runs', { body: body as RunRequest, headers: idempotencyKey() })),
  run: (run: string): Promise<Run> => request(client.GET('/api/v1/runs/{run}', forRun(run))),
  rename: (run: string, patch: Partial<RunPatch>): Promise<Run> =>
    request(client.PATCH('/api/v1/runs/{run}', { ...forRun(run), body: { name: null, notes: null, more_notes: null, tags: null, tag_changes: null, color: null, priority: null, ...patch } })),
  remove: (run: string) => request(client.DELETE('/api/v1/runs/{run}', forRun(run))),
  undelete: (run: string): Promise<Undeleted> => request(client.POST('/api/v1/runs/{run}/undelete', forRun(run))),
  fork: (run: string, body: ForkRequest): Promise<Run> => request(client.POST('/api/v1/runs/{run}/fork', { ...forRun(run), body, headers: idempotencyKey() })),
  resume: (run: string, body: ResumeRequest): Promise<Run> => request(client.POST('/api/v1/runs/{run}/resume', { ...forRun(run), body })),
  cancel: (run: string) => request(client.POST('/api/v1/runs/{run}/cancel', forRun(run))),

  segments: async (run: string): Promise<Segment[]> =>
    (await request(client.GET('/api/v1/runs/{run}/segments', forRun(run)))).segments,
  validations: async (run: string, after: number): Promise<Validation[]> =>
    (await request(client.GET('/api/v1/runs/{run}/validations', { params: { path: { run }, query: { after, limit: 1000 } } }))).validations,
  metrics: async (run: string): Promise<MetricSummary[]> =>
    (await request(client.GET('/api/v1/runs/{run}/metrics', forRun(run)))).metrics,
  /** The points of one metric by segment, abandoned ones too. */
  curve: async (run: string, key: string, range: CurveRange): Promise<WireCurve> => {
    const query = { key, max_points: range.maxPoints, from: range.from, to: range.to }
    return (await request(client.GET('/api/v1/runs/{run}/curve', { params: { path: { run }, query } }))) as WireCurve
  },
  /** The curves of one run over the wall clock, with abandoned branches, and what is known of all its metrics. */
  curves: async (run: string, keys: readonly string[], { after, ...range }: CurveRange & { after?: Record<string, number> }): Promise<RunCurves> => {
    const steps = { max_points: range.maxPoints, from: range.from ?? null, to: range.to ?? null, after: { [run]: after ?? {} } }
    const body = { runs: [run], keys: [...keys], ...steps, x: 'wall', ghosts: true, precision: 'double' as const, summaries: true }
    const answer = await request(client.POST('/api/v1/curves', { body }))
    return { curves: answer.curves!.map((curve) => readRunCurve(curve)), metrics: answer.summaries?.[0]?.metrics ?? [] }
  },
  checkpoints: async (run: string): Promise<Checkpoint[]> =>
    (await request(client.GET('/api/v1/runs/{run}/checkpoints', forRun(run)))).checkpoints,
  variables: (checkpoint: string): Promise<VariableList> =>
    request(client.GET('/api/v1/checkpoints/{checkpoint}/variables', { params: { path: { checkpoint } } })),
  values: (checkpoint: string, variable: string, slice: string): Promise<VariableValues> =>
    request(client.GET('/api/v1/checkpoints/{checkpoint}/values', { params: { path: { checkpoint }, query: { variable, slice } } })),
  /** Of one run from its best to its last, or of two runs at their best. */
  panelDifference: (first: string, second: string | null): Promise<PanelDifference> =>
    request(client.GET('/api/v1/panels/diff', { params: { query: { first, ...(second && { second }) } } })),
  difference: (checkpoint: string, other: string): Promise<CheckpointDiff> =>
    request(client.GET('/api/v1/checkpoints/{checkpoint}/diff/{other}', { params: { path: { checkpoint, other } } })),
  receipts: async (run: string): Promise<Receipt[]> =>
    (await request(client.GET('/api/v1/runs/{run}/receipts', forRun(run)))).receipts,
  provenance: (run: string): Promise<Provenance> => request(client.GET('/api/v1/runs/{run}/provenance', forRun(run))),
  testResults: async (run: string): Promise<TestResult[]> =>
    (await request(client.GET('/api/v1/runs/{run}/test-results', forRun(run)))).test_results,
  panels: async (run: string): Promise<PanelSeries[]> => (await request(client.GET('/api/v1/runs/{run}/panels', forRun(run)))).panels,
  panel: (run: string, name: string, step: number, segment: number): Promise<Panel> =>
    request(client.GET('/api/v1/runs/{run}/panel', { params: { path: { run }, query: { name, step, segment } } })),
  pin: (checkpoint: string, is_pinned: boolean): Promise<Checkpoint> =>
    request(client.PATCH('/api/v1/checkpoints/{checkpoint}', { params: { path: { checkpoint } }, body: { is_pinned } })),
  commands: async (run: string): Promise<Command[]> =>
    (await request(client.GET('/api/v1/runs/{run}/commands', forRun(run)))).commands,
  command: (run: string, body: CommandRequest): Promise<Command> =>
    request(client.POST('/api/v1/runs/{run}/commands', { ...forRun(run), body })),
  /** Every artifact of a run, the current version of each, by path. */
  artifacts: async (run: string): Promise<Artifact[]> => {
    const list: Artifact[] = []
    let cursor: string | undefined
    do {
      const page = await request(client.GET('/api/v1/runs/{run}/artifacts', { params: { path: { run }, query: { limit: 1000, cursor } } }))
      list.push(...page.artifacts)
      cursor = page.cursor ?? undefined
    } while (cursor)
    return list
  },
  logs: async (run: string, after: number): Promise<LogPiece[]> =>
    (await request(client.GET('/api/v1/runs/{run}/logs', { params: { path: { run }, query: { after, limit: 500 } } }))).pieces,

  /** Runs side by side: at most 20. */
  compare: (runs: readonly string[]): Promise<RunComparison> => request(client.POST('/api/v1/comparisons', { body: { runs: [...runs] } })),
  replay: (body: Partial<ReplayRequest>): Promise<Replay> =>
    request(client.POST('/api/v1/replays', { body: { runs: [], project: null, stoppers: [], tolerate: 0, ...body } })),

  report: (of: string): Promise<Report> => request(client.GET('/api/v1/reports', { params: { query: { of } } })),

  sweeps: async (project: string): Promise<Sweep[]> => (await request(client.GET('/api/v1/sweeps', { params: { query: { project, limit: 200 } } }))).sweeps,
  sweep: (sweep: string): Promise<SweepRuns> => request(client.GET('/api/v1/sweeps/{sweep}', { params: { path: { sweep } } })),
  importance: (sweep: string): Promise<SweepImportance> => request(client.GET('/api/v1/sweeps/{sweep}/importance', { params: { path: { sweep } } })),
  cancelSweep: (sweep: string): Promise<Sweep> => request(client.POST('/api/v1/sweeps/{sweep}/cancel', { params: { path: { sweep } } })),

  workers: async (): Promise<Worker[]> => (await request(client.GET('/api/v1/workers'))).workers,
  tokens: async (): Promise<Token[]> => (await request(client.GET('/api/v1/tokens'))).tokens,
  makeToken: (name: string, days: number | null): Promise<Token> =>
    request(client.POST('/api/v1/tokens', { body: { name, user: null, role: null, expires_in_days: days } })),
  revokeToken: (token: string) => request(client.DELETE('/api/v1/tokens/{token}', { params: { path: { token } } })),
  users: async (): Promise<User[]> => (await request(client.GET('/api/v1/users'))).users,
}

export type Proof = { code: string } | { token: string } | { share: string }
export interface RunQuery {
  project: string
  state?: string
  sort?: string
  order?: 'asc' | 'desc'
  q?: string
  cursor?: string
  limit?: number
  columns?: string
  count?: boolean
}
export interface RunCurves {
  curves: Curve[]
  metrics: MetricSummary[]
}
export interface CurveRange {
  maxPoints: number
  from?: number
  to?: number
}

function forRun(run: string) {
  return { params: { path: { run } } }
}

/** A browser may send a request twice; with this key the tracker acts once. (`crypto.randomUUID` needs HTTPS.) */
function idempotencyKey() {
  return { 'Idempotency-Key': `${Date.now()}-${Math.random().toString(36).slice(2)}` }
}
