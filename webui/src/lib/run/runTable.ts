/** Filters and sorts the runs of a table. Pure, and quick at 10,000 runs. */
import { epochOf } from '$lib/ui/format'
import { numberOf } from '$lib/api/floats'
import { FINAL } from '$lib/ui/labels'
import type { Run } from '$lib/api/types'

export const SORTS = ['number', 'name', 'state', 'best', 'last', 'patience', 'step', 'duration', 'worker'] as const
export type Sort = (typeof SORTS)[number]
export const GROUPS = ['all', 'active', 'finished', 'failed', 'cancelled'] as const
export type Group = (typeof GROUPS)[number]

export interface TableView {
  q: string
  group: string
  sort: string
  down: boolean
}

export function filterAndSort(runs: readonly Run[], by: TableView): Run[] {
  const words = by.q.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = runs.filter((run) => inGroup(run, by.group) && words.every((word) => searchText(run).includes(word)))
  const key = KEYS[SORTS.find((sort) => sort === by.sort) ?? 'number']
  const keyed = shown.map((run) => ({ run, key: key(run) }))
  keyed.sort((a, b) => compareKeys(a.key, b.key, by.down) || b.run.number - a.run.number)
  return keyed.map(({ run }) => run)
}

export function inGroup(run: Run, group: string): boolean {
  if (group === 'all') return true
  return group === 'active' ? !FINAL.has(run.state) : run.state === group
}

const cache = new WeakMap<Run, string>()

/** The text that a filter searches, made once a run: name, number, id, tags, state, recipe and parameters. */
function searchText(run: Run): string {
  const known = cache.get(run)
  if (known !== undefined) return known
  const parameters = Object.entries(run.spec.parameters ?? {}).map(([key, value]) => `${key}=${String(value)}`)
  const source = run.spec.source as { name?: string; entry?: string }
  const parts = [run.name, `#${run.number}`, run.id, run.state, run.stop_reason, run.worker, run.created_by]
  const text = [...parts, ...(run.tags ?? []), source.name, source.entry, run.spec.data, ...parameters].join(' ').toLowerCase()
  cache.set(run, text)
  return text
}

type Key = string | number | null
const KEYS: Record<Sort, (run: Run) => Key> = {
  number: (run) => run.number,
  name: (run) => run.name.toLowerCase(),
  state: (run) => run.state,
  best: (run) => numberOf(run.best_value),
  last: (run) => numberOf(run.last_value),
  patience: (run) => run.patience_left,
  step: (run) => run.step,
  duration: (run) => trainingSeconds(run),
  worker: (run) => run.worker,
}

/** A missing value, or one that is no number, sorts last in either direction. */
function compareKeys(a: Key, b: Key, down: boolean): number {
  const [noA, noB] = [isMissing(a), isMissing(b)]
  if (noA || noB) return Number(noA) - Number(noB)
  const sign = a! < b! ? -1 : a! > b! ? 1 : 0
  return down ? -sign : sign
}

function isMissing(key: Key): boolean {
  return key === null || key === undefined || Number.isNaN(key)
}

/** Seconds from the start to the end of the run, or to now; null before the start. */
export function trainingSeconds(run: Run, now = Date.now() / 1000): number | null {
  const from = epochOf(run.started_at)
  return from === null ? null : Math.max(0, (epochOf(run.ended_at) ?? now) - from)
}

/** The share of the steps that early stopping saved; null where the run was not stopped early. */
export function savedShare(run: Run): number | null {
  const most = run.max_steps ?? run.spec.max_steps
  if (run.state !== 'finished' || !most || run.step == null || run.step >= most) return null
  return 1 - run.step / most
}

/** Whether a descending order of the column "best" puts the best run first. */
export function isBestDescending(runs: readonly Run[]): boolean {
  return (runs.find((run) => run.mode !== 'auto')?.mode ?? 'max') === 'max'
}
