/** What each run stopped by, and when the others' policies would have stopped it. Pure. */
import { describeLost, describeSaved, withoutDefaults } from '$lib/run/replay'
import { formatPolicy } from '$lib/run/policy'
import { count } from '$lib/ui/format'
import type { Replay, ReplayOutcome, Run } from '$lib/api/types'

export interface StopRow {
  policy: string
  /** The runs that trained with it. */
  owners: string[]
  /** By run; null where the run cannot be replayed. */
  cells: (StopCell | null)[]
}
export interface StopCell {
  text: string
  detail: string
  isOwn: boolean
}

/** The policies that some of these runs trained with, each once. */
export function ownPolicies(runs: readonly Run[]): string[] {
  return [...new Set(runs.map((run) => policyOf(run)))]
}

/** A row for each policy; the tracker may write a policy in another way, so the order tells which it is. */
export function stopRows(runs: readonly Run[], policies: readonly string[], replay: Replay): StopRow[] {
  return policies.map((policy, at) => {
    const outcomes = replay.policies[at]?.outcomes ?? []
    const owners = runs.filter((run) => policyOf(run) === policy)
    const cellOf = (run: Run): StopCell | null => {
      const place = replay.runs.findIndex((replayed) => replayed.id === run.id)
      const outcome = place < 0 ? undefined : outcomes[place]
      return outcome ? { ...describeStop(outcome), isOwn: owners.includes(run) } : null
    }
    return { policy, owners: owners.map((run) => run.id), cells: runs.map(cellOf) }
  })
}

function policyOf(run: Run): string {
  return formatPolicy(withoutDefaults(run.spec.stopper))
}

function describeStop(outcome: ReplayOutcome): Omit<StopCell, 'isOwn'> {
  if (outcome.status === 'stopped') {
    const lost = outcome.value_lost === null ? '' : `, loses ${describeLost(outcome)}`
    return { text: `step ${count(outcome.stop_step)}`, detail: outcome.steps_saved ? `saves ${describeSaved(outcome)}${lost}` : '' }
  }
  return { text: outcome.status === 'censored' ? 'goes on' : 'cannot tell', detail: '' }
}
