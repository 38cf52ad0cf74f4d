/** What a table says of a run that the run itself does not hold. */
import { epochOf } from '$lib/ui/format'
import type { Run } from '$lib/api/types'

export const GROUPS = ['all', 'active', 'finished', 'failed', 'cancelled'] as const

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
