/** The best run of a project, by what its newest run watches. Pure. */
import { numberOf, type WireFloat } from '$lib/api/floats'
import type { RunQuery } from '$lib/api/client'
import type { Run, RunPage } from '$lib/api/types'
import { quoted } from '$lib/workspace/filterText'

export interface ProjectBest {
  run: Run
  monitor: string
  value: number
  step: number | null
}

export function bestQuery(newest: Run): RunQuery {
  const metric = `metrics.${quoted(newest.spec.monitor)}`
  return { project: newest.project, sort: metric, order: newest.mode === 'min' ? 'asc' : 'desc', columns: `${metric},${metric}.step`, limit: 1 }
}

/** The first run of the answer; null where no run of the project has such a value. */
export function readBest(newest: Run, { runs: [run] }: RunPage): ProjectBest | null {
  const metric = `metrics.${quoted(newest.spec.monitor)}`
  const [value, step] = [metric, `${metric}.step`].map((name) => numberOf((run?.values?.[name] ?? null) as WireFloat))
  return run && value != null ? { run, monitor: newest.spec.monitor, value, step: step ?? null } : null
}
