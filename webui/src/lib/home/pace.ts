/** When a living run will end at its present pace. Pure. */
import { duration, epochOf } from '$lib/ui/format'
import type { Run } from '$lib/api/types'

export interface Ending {
  /** Seconds until the patience ends, if nothing improves; null where no patience counts. */
  patience: number | null
  /** Seconds until the last step; null where nothing limits the steps. */
  limit: number | null
}

/** The seconds left by the patience and by the limit of steps; null before a pace is known. */
export function endingOf(run: Run, now: number): Ending | null {
  const [began, step] = [epochOf(run.started_at), run.step ?? 0]
  if (began === null || step <= 0 || now <= began) return null
  const secondsPerStep = (now - began) / step
  const most = run.max_steps ?? run.spec.max_steps
  const [waits, left] = [stepsOfPatience(run), most ? most - step : null]
  const seconds = (steps: number | null) => (steps === null ? null : Math.max(0, steps * secondsPerStep))
  return { patience: seconds(waits), limit: seconds(left) }
}

/** "in 3 min 20 s unless it improves, in 2 h 05 min at the latest" */
export function endingText(ending: Ending | null): string {
  if (!ending) return 'no pace yet'
  const { patience, limit } = ending
  const isFirst = patience !== null && (limit === null || patience < limit)
  const parts = [isFirst && `in ${duration(patience)} unless it improves`, limit !== null && `in ${duration(limit)} at the latest`]
  return parts.filter(Boolean).join(', ') || 'when a person or its script ends it'
}

function stepsOfPatience(run: Run): number | null {
  const left = run.patience_left ?? null
  if (left === null) return null
  return run.patience_unit === 'steps' ? left : left * (run.spec.validate_every ?? 1)
}
