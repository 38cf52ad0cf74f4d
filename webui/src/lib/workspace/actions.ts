/** Acts on many runs: each run gets its own answer, and one that refuses does not stop the others. */
import { messageOf } from '$lib/api/client'
import type { ActionResults, Run } from '$lib/api/types'
import { isLeased } from '$lib/run/resumePoints'
import { csv } from '$lib/ui/csv'
import { count } from '$lib/ui/format'
import { FINAL } from '$lib/ui/labels'
import { cellNumber, cellText, type RunColumn } from './columns'

type Results = ActionResults['results']
export type BulkAct = 'stop' | 'cancel' | 'delete' | 'tag' | 'untag' | 'move' | 'priority' | 'fork'

export interface BulkWords {
  button: string
  /** What a message begins with when it is done. */
  done: string
  /** What somebody must give. */
  field?: string
}
export const BULK_WORDS: Record<BulkAct, BulkWords> = {
  stop: { button: 'Stop', done: 'Asked to stop' },
  cancel: { button: 'Cancel', done: 'Cancelled' },
  delete: { button: 'Delete', done: 'Deleted' },
  tag: { button: 'Tag', done: 'Tagged', field: 'Tag' },
  untag: { button: 'Untag', done: 'Took the tag from', field: 'Tag' },
  move: { button: 'Move', done: 'Moved', field: 'Project' },
  priority: { button: 'Set the priority', done: 'Set the priority of', field: 'Priority' },
  fork: { button: 'Fork', done: 'Forked' },
}

const isActive = (run: Run) => !FINAL.has(run.state)

/** The runs that an act concerns: what has ended neither stops nor waits. */
export function concernedBy(act: BulkAct, runs: readonly Run[]): Run[] {
  return runs.filter((run) => !['stop', 'cancel', 'priority'].includes(act) || isActive(run))
}

/** What an act will do, in sentences; the tracker decides for each run when it is done. */
export function whatHappens(act: BulkAct, runs: readonly Run[]): string[] {
  const concerned = concernedBy(act, runs)
  const left = runs.length - concerned.length
  const refusing = (some: readonly Run[], why: string) => (some.length > 0 ? [`${runsWords(some.length)} ${why}`] : [])
  const ended = left > 0 ? [`${runsWords(left)} ended already and will be left out.`] : []
  switch (act) {
    case 'stop': return ['Each run stops after its current batch, and keeps its best state.', ...ended]
    case 'cancel': return ['Runs in the queue leave it; runs that train stop, and measure no test set.', ...ended]
    case 'priority': return ['Of queued runs, those with a higher priority start first.', ...ended]
    case 'delete': return ['You can undo this for a day.', ...refusing(concerned.filter(isLeased), 'at a worker will refuse: stop what trains first.')]
    case 'tag': return ['Each run gets this tag beside those that it has.']
    case 'untag': return ['Runs without the tag stay as they are.']
    case 'move': return [
      'Each run gets the next number of the other project. Its id, link, curves and checkpoints stay.',
      ...refusing(concerned.filter(isLeased), 'at a worker will refuse: what trains cannot move.'),
      ...refusing(concerned.filter(({ spec }) => spec.trial), 'of a sweep will refuse: trials stay with their sweep.'),
    ]
    case 'fork': return [
      'Each run gets a fork: a new run in the queue with the same specification, which trains on from the best checkpoint. The runs themselves stay as they are.',
      ...refusing(concerned.filter((run) => !run.best_checkpoint), 'without a checkpoint on disk will refuse.'),
    ]
  }
}

function runsWords(number: number): string {
  return number === 1 ? '1 run' : `${count(number)} runs`
}

/** Forks one run after the other; what one of them refuses, the others do all the same. */
export async function forkEach(runs: readonly Run[], fork: (run: string) => Promise<Run>, progress: (done: number) => void): Promise<Results> {
  const results: Results = []
  for (const run of runs) {
    results.push(await fork(run.id).then(
      () => ({ run: run.id, is_done: true, state: null, message: '', hint: null }),
      (error: unknown) => ({ run: run.id, is_done: false, state: null, message: messageOf(error), hint: null }),
    ))
    progress(results.length)
  }
  return results
}

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
