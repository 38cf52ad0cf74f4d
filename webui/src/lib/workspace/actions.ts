/** Acts on many runs: each run gets its own answer, and one that refuses does not stop the others. */
import { api, messageOf } from '$lib/api/client'
import type { Run } from '$lib/api/types'
import { csv } from '$lib/ui/csv'
import { cellNumber, cellText, type RunColumn } from './columns'

export interface Outcome {
  done: string[]
  refused: { run: string; message: string }[]
}

/** "Deleted 3 runs; 1 refused: …" */
export function describeActs(verb: string, { done, refused }: Outcome): string {
  const runs = done.length === 1 ? '1 run' : `${done.length} runs`
  const first = refused[0] ? `; ${refused.length} refused: ${refused[0].message}` : ''
  return `${verb} ${runs}${first}`
}

export async function actOnAll(runs: readonly Run[], act: (run: Run) => Promise<unknown>): Promise<Outcome> {
  const outcome: Outcome = { done: [], refused: [] }
  for (const run of runs) {
    await act(run).then(
      () => outcome.done.push(run.id),
      (error: unknown) => outcome.refused.push({ run: run.id, message: messageOf(error) }),
    )
  }
  return outcome
}

export const stopRun = (run: Run) => api.command(run.id, { kind: 'stop' } as Parameters<typeof api.command>[1])
export const cancelRun = (run: Run) => api.cancel(run.id)
export const deleteRun = (run: Run) => api.remove(run.id)
export const undeleteRun = (id: string) => api.undelete(id)

export function tagRun(run: Run, tag: string): Promise<Run> {
  return api.rename(run.id, { tags: [...new Set([...(run.tags ?? []), tag])] })
}

/** Runs with the columns of the list, numbers with every digit. */
export function runsAsCsv(runs: readonly Run[], columns: readonly RunColumn[], now: number): string {
  const shown = columns.filter(({ id }) => id !== 'spark')
  const rows = runs.map((run) => [run.number, run.id, run.name, (run.tags ?? []).join(' '), ...shown.map((column) => cellNumber(run, column) ?? cellText(run, column, now))])
  return csv(['number', 'id', 'name', 'tags', ...shown.map(({ label }) => label)], rows)
}
