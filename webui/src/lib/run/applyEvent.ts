/** Applies an event to a run. Events of these kinds carry fields of the run; others carry those of a validation or a checkpoint. */
import type { FeedEvent } from '$lib/live/feed'
import type { Run } from '$lib/api/types'

const OF_THE_RUN = new Set(['run.state', 'run.progress', 'run.best', 'run.changed'])

export function applyEvent(run: Run, event: Pick<FeedEvent, 'kind' | 'data' | 'at'>): Run {
  const data = OF_THE_RUN.has(event.kind) ? event.data : {}
  const heard = event.kind.startsWith('run.') && event.kind !== 'run.changed' ? { heard_at: event.at } : {}
  return { ...run, ...heard, ...data } as Run
}
