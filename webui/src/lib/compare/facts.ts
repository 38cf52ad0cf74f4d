/** What runs were asked for and trained with, side by side: nested keys flattened, what differs first. Pure. */
import { formatPolicy } from '$lib/run/policy'
import { describeSource } from '$lib/run/snippets'
import { figure } from '$lib/ui/format'
import type { Run } from '$lib/api/types'

export interface FactRow {
  name: string
  /** One value a run; undefined where the run has no such fact. */
  values: unknown[]
  differs: boolean
}
export interface FactGroup {
  title: string
  rows: FactRow[]
}

/** Nested keys become `a.b`; a list is one value. */
export function flattenFacts(tree: Readonly<Record<string, unknown>>, before = ''): [string, unknown][] {
  return Object.entries(tree).flatMap(([key, value]): [string, unknown][] =>
    isTree(value) && Object.keys(value).length > 0 ? flattenFacts(value, `${before}${key}.`) : [[before + key, value]],
  )
}

/** Equal values, numbers as numbers: 0.001 and "1e-3" are the same, 1 and true are not. */
export function isSameFact(a: unknown, b: unknown): boolean {
  const [one, other] = [asNumber(a), asNumber(b)]
  if (one !== null && other !== null) return one === other
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null)
}

/** A row for each name; those that differ come first, each part in the order in which the names appear. */
export function compareFacts(trees: readonly Readonly<Record<string, unknown>>[]): FactRow[] {
  const columns = trees.map((tree) => new Map(flattenFacts(tree)))
  const names = [...new Set(columns.flatMap((column) => [...column.keys()]))]
  const rows = names.map((name) => {
    const values = columns.map((column) => column.get(name))
    return { name, values, differs: values.some((value) => !isSameFact(value, values[0])) }
  })
  return rows.toSorted((a, b) => Number(b.differs) - Number(a.differs))
}

/** The parameters, the training and the environment of these runs. */
export function factGroups(runs: readonly Run[]): FactGroup[] {
  const groups: FactGroup[] = [
    { title: 'Parameters', rows: compareFacts(runs.map((run) => run.spec.parameters ?? {})) },
    { title: 'Training', rows: compareFacts(runs.map(trainingOf)) },
    { title: 'Environment and code', rows: compareFacts(runs.map((run) => run.environment ?? {})) },
  ]
  return groups.filter(({ rows }) => rows.length > 0)
}

export function factText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value === 'number') return figure(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function trainingOf(run: Run): Record<string, unknown> {
  const { spec } = run
  return {
    source: describeSource(spec.source),
    data: spec.data,
    monitor: `${spec.monitor} (${run.mode})`,
    stopper: formatPolicy(spec.stopper),
    selector: spec.selector ? formatPolicy(spec.selector) : null,
    'max steps': run.max_steps ?? spec.max_steps,
    'validate every': spec.validate_every,
    seed: spec.seed,
    'forked from': spec.forked_from?.run ?? null,
    tags: (run.tags ?? []).join(', '),
    worker: run.worker,
    user: run.created_by,
  }
}

function isTree(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function asNumber(value: unknown): number | null {
  if (typeof value === 'number') return value
  return typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)) ? Number(value) : null
}
