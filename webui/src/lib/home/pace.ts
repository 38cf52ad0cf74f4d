/** When a living run will end, at its present pace. `keepbest/outlook.py` is its twin; both pass `tests/support/outlooks.json`.
 *
 * The pace is that between the first and the last validation of the present segment: what a fork took over, an earlier
 * attempt or a pause says nothing of it. A run that does not train has none. */
import { duration } from '$lib/ui/format'
import type { Run } from '$lib/api/types'

export interface Ending {
  /** Seconds until the patience ends, if nothing improves; null where no patience counts. */
  patience: number | null
  /** Seconds until the last step; null where nothing limits the steps. */
  limit: number | null
}

/** The seconds left from the newest step; null for a run that does not train, or whose segment has no pace yet. */
export function endingOf(run: Run): Ending | null {
  const { pace, step } = run
  if (!trains(run) || !pace || typeof step !== 'number' || pace.segment !== run.segment) return null
  const most = run.max_steps ?? run.spec.max_steps
  const waits = stepsOfPatience(run, pace.steps_per_validation)
  const since = step - (run.last_validation_step ?? step)
  const seconds = (steps: number) => Math.max(0, steps * pace.seconds_per_step)
  return { patience: waits === null ? null : seconds(waits - since), limit: most ? seconds(most - step) : null }
}

/** "in 3 min 20 s unless it improves, in 2 h 05 min at the latest"; empty for a run that does not train. */
export function endingText(run: Run): string {
  if (!trains(run)) return ''
  const ending = endingOf(run)
  if (!ending) return 'no pace yet'
  const { patience, limit } = ending
  const isFirst = patience !== null && (limit === null || patience < limit)
  const parts = [isFirst && `in ${duration(patience)} unless it improves`, limit !== null && `in ${duration(limit)} at the latest`]
  return parts.filter(Boolean).join(', ') || 'when a person or its script ends it'
}

function trains(run: Run): boolean {
  return run.state === 'running' && !run.stalled_since
}

function stepsOfPatience(run: Run, each: number): number | null {
  const left = run.patience_left ?? null
  return left === null ? null : left * (run.patience_unit === 'steps' ? 1 : each)
}
