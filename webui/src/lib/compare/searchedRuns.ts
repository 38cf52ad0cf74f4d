/** Any runs in the shape of a sweep's, so that the charts of a sweep draw them too. Pure. */
import { numberOf } from '$lib/api/floats'
import { bestFirst, valueOf, type Searched } from '$lib/run/sweeps'
import type { Run, RunComparison, SweepRun } from '$lib/api/types'

export function asSearched({ runs, space }: Pick<RunComparison, 'runs' | 'space'>): { sweep: Searched; runs: SweepRun[] } {
  const mode = runs[0]?.mode ?? 'max'
  const tries = runs.map(asTry)
  const best = bestFirst({ mode }, tries).find((run) => valueOf(run) !== null) ?? null
  return { sweep: { space, mode, monitor: runs[0]?.spec.monitor ?? '', best }, runs: tries }
}

function asTry(run: Run): SweepRun {
  return {
    number: run.number, run: run.id, name: run.name, state: run.state, stop_reason: run.stop_reason ?? null,
    parameters: (run.spec.parameters ?? {}) as SweepRun['parameters'], step: run.step ?? null,
    best_value: numberOf(run.best_value), best_step: run.best_step ?? null,
    selected_value: numberOf(run.selection?.value), selected_step: run.selection?.step ?? null,
    validations: run.validations ?? 0, averages_tried: 0, rungs: [],
  }
}
