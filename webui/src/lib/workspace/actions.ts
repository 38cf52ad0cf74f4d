/** Acts on many runs: each run gets its own answer, and one that refuses does not stop the others. */
import type { ActionResults, Run } from '$lib/api/types'
import { csv } from '$lib/ui/csv'
import { cellNumber, cellText, type RunColumn } from './columns'

type Results = ActionResults['results']

/** "Deleted 3 runs; 1 refused: …" */
export function describeActs(verb: string, results: Results): string {
  const done = results.filter((result) => result.is_done)
  const refused = results.filter((result) => !result.is_done)
  const first = refused[0] ? `; ${refused.length} refused: ${[refused[0].message, refused[0].hint].filter(Boolean).join(' ')}` : ''
  return `${verb} ${done.length === 1 ? '1 run' : `${done.length} runs`}${first}`
}

/** Runs with the columns of the list, numbers with every digit. */
export function runsAsCsv(runs: readonly Run[], columns: readonly RunColumn[], now: number): string {
  const shown = columns.filter(({ id }) => id !== 'spark')
  const rows = runs.map((run) => [run.number, run.id, run.name, (run.tags ?? []).join(' '), ...shown.map((column) => cellNumber(run, column) ?? cellText(run, column, now))])
  return csv(['number', 'id', 'name', 'tags', ...shown.map(({ label }) => label)], rows)
}
