/** The annotations of the curve of the monitored metric: best, patience, target, stop and segments. Pure: the chart draws them. */
import { count } from '$lib/ui/format'
import { minDelta, patienceTotal, type Policy } from '$lib/run/policy'
import { describeOverrides } from '$lib/run/resumePoints'
import type { Validation, Overrides, ReplayOutcome, Segment } from '$lib/api/types'
import { FINAL, patienceLabel, reasonLabel } from '$lib/ui/labels'

const TRAINED_BY_WORKERS: ReadonlySet<string> = new Set(['recipe', 'code'])

export interface Annotations {
  higherIsBetter: boolean
  /** `restored`: the run surely ended with it, because a worker trained it; scripts and other tools may not have. */
  best: { step: number; value: number; restored: boolean } | null
  /** The patience window: from the last improvement to the step where patience ends. */
  patience: { from: number; to: number } | null
  /** The value that the next validation must beat: the best, moved by min_delta. */
  target: number | null
  stop: { step: number; text: string } | null
  segmentStarts: { step: number; from: number | null; text: string }[]
}

/** The fields of a run that the annotations need. */
export interface AnnotatedRun {
  state: string
  mode: string
  best_step?: number | null
  best_value?: number | null
  step?: number | null
  last_validation_step?: number | null
  wait?: number | null
  patience_left?: number | null
  patience_unit?: string | null
  stop_reason?: string | null
  max_steps?: number | null
  spec: { validate_every: number; stopper: Policy; max_steps?: number | null; source: { kind: string } }
}
export interface SegmentStart {
  number: number
  reason: string
  start_step: number
  overrides?: Partial<Overrides> | null
}

export function annotationsOf(run: AnnotatedRun, starts: readonly SegmentStart[], branchEnds: ReadonlyMap<number, number>, reason: string): Annotations {
  const ended = FINAL.has(run.state)
  const best = run.best_step ?? null
  const value = run.best_value ?? null
  return {
    higherIsBetter: run.mode === 'max',
    best: best === null || value === null ? null : { step: best, value, restored: run.state === 'finished' && TRAINED_BY_WORKERS.has(run.spec.source.kind) },
    patience: patienceBand(run),
    target: value === null ? null : targetOf(value, run.mode, minDelta(run.spec.stopper)),
    stop: ended && run.stop_reason && run.step ? { step: run.step, text: reason } : null,
    segmentStarts: starts.filter((start) => start.reason !== 'start').map((start) => {
      const from = branchEnds.get(start.number) ?? null
      return { step: start.start_step, from, text: describeSegmentStart(start, from) }
    }),
  }
}

/** From the validation that last counted as an improvement to the step where patience ends, or where the run does. */
function patienceBand(run: AnnotatedRun): Annotations['patience'] {
  const end = patienceEnd(run)
  if (end === null) return null
  const from = Math.max(0, run.last_validation_step! - run.wait! * strideOf(run))
  return { from, to: Math.max(from, Math.min(end, stepLimit(run))) }
}

function patienceEnd({ wait, patience_left: left, last_validation_step: lastStep, ...run }: AnnotatedRun): number | null {
  return wait == null || left == null || lastStep == null ? null : lastStep + left * strideOf(run)
}

function strideOf(run: Pick<AnnotatedRun, 'patience_unit' | 'spec'>): number {
  return run.patience_unit === 'steps' ? 1 : run.spec.validate_every
}

function stepLimit(run: AnnotatedRun): number {
  return run.max_steps ?? run.spec.max_steps ?? Infinity
}

/** "3 of 10 checks without improvement; patience ends at step 1,300"; null where there is no patience. */
export function patienceSentence(run: AnnotatedRun): string | null {
  const { wait, patience_left: left, patience_unit: unit } = run
  if (wait == null || left == null) return null
  const waited = `${count(wait)} of ${patienceLabel(patienceTotal(wait, left, unit, run.spec.stopper), unit)} without improvement`
  if (FINAL.has(run.state)) return `${waited} when the run ended`
  const end = patienceEnd(run)
  if (end === null) return waited
  const limit = stepLimit(run)
  return end > limit ? `${waited}; the run ends at step ${count(limit)}, before its patience` : `${waited}; patience ends at step ${count(end)}`
}

function targetOf(best: number, mode: string, delta: number): number | null {
  if (mode === 'min') return best - delta
  return mode === 'max' ? best + delta : null
}

/** For each segment, the last step of the branch that it left: the step that the run went back from. */
export function abandonedBranchEnds(segments: readonly Pick<Segment, 'number' | 'parent'>[], validations: readonly Validation[]): Map<number, number> {
  const ends = new Map<number, number>()
  for (const segment of segments) {
    const last = validations.findLast((validation) => validation.ghost && validation.segment === segment.parent)
    if (last && segment.parent != null) ends.set(segment.number, last.step)
  }
  return ends
}

const VERBS = new Map([['roll_back', 'rolled back'], ['recover', 'recovered'], ['resume', 'resumed'], ['fork', 'forked'], ['start', 'started']])

/** "rolled back 550 → 300, learning rate 0.1x"; `from` is the last step of the abandoned branch. */
export function describeSegmentStart(start: SegmentStart, from: number | null): string {
  const verb = VERBS.get(start.reason) ?? start.reason.replaceAll('_', ' ')
  const where = from === null || from === start.start_step ? `at ${count(start.start_step)}` : `${count(from)} → ${count(start.start_step)}`
  return [`${verb} ${where}`, describeOverrides(start.overrides)].filter(Boolean).join(', ')
}

/** The annotations of a replay: where the policy would stop, what it keeps, and where the run ended. */
export function replayAnnotations(outcome: ReplayOutcome, mode: string, end: { step: number; text: string }): Annotations {
  const { best_step: best, best_value: value, stop_step: stop } = outcome
  const known = best !== null && value !== null
  return {
    higherIsBetter: mode === 'max',
    best: known ? { step: best, value, restored: false } : null,
    patience: known && stop !== null ? { from: best, to: stop } : null,
    target: null,
    stop: stop === null ? null : { step: stop, text: reasonLabel(outcome.reason) },
    segmentStarts: [{ step: end.step, from: null, text: end.text }],
  }
}
