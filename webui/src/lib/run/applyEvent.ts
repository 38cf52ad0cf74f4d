/** Applies an event to a run. Events of these kinds carry fields of the run; others carry those of a validation or a checkpoint. */
import type { FeedEvent } from '$lib/live/feed'
import type { Run } from '$lib/api/types'

const OF_THE_RUN = new Set(['run.state', 'run.progress', 'run.best', 'run.changed'])
/** What people do to a run, too: no sign of life of its trainer. */
const BY_PEOPLE = new Set(['run.changed', 'run.artifact'])

export function applyEvent(run: Run, event: Pick<FeedEvent, 'kind' | 'data' | 'at'>): Run {
  const { parameters, ...fields } = OF_THE_RUN.has(event.kind) ? event.data : {}
  const heard = event.kind.startsWith('run.') && !BY_PEOPLE.has(event.kind) ? { heard_at: event.at } : {}
  return addParameters({ ...run, ...heard, ...fields } as Run, parameters)
}

/** Adds parameters that a script said later than the rest: an event carries the new ones alone. */
function addParameters(run: Run, parameters: unknown): Run {
  if (typeof parameters !== 'object' || parameters === null) return run
  return { ...run, spec: { ...run.spec, parameters: { ...run.spec.parameters, ...parameters } } }
}
