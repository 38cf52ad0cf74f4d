/** The points that a run can be resumed from, and the settings that a person may override there. Pure. */
import { count, epochOf, figure } from '$lib/ui/format'
import { numberOf } from '$lib/api/floats'
import type { Checkpoint, Command, Validation, Overrides, Run, Variable } from '$lib/api/types'
import { FINAL } from '$lib/ui/labels'

/** A running run rolls back, a new run forks, an ended run resumes. */
export type ResumeAction = 'roll_back' | 'fork' | 'resume'
export const RESUME_ACTIONS: Readonly<Record<ResumeAction, { label: string; at: string }>> = {
  roll_back: { label: 'Roll back', at: 'Roll back to' },
  fork: { label: 'Fork', at: 'Fork from' },
  resume: { label: 'Resume', at: 'Resume from' },
}
export type Target = { to: 'best' | 'last' } | { step: number } | { checkpoint: string } | Record<string, never>
/** What the requests of the three actions share: one resume point and the overrides. */
export interface ResumeOptions {
  to: 'best' | 'last' | null
  step: number | null
  checkpoint: string | null
  learning_rate: string | null
  max_steps: number | null
  reset_patience: boolean
}

export interface ResumePoint {
  /** `best`, `last`, `start`, or the id that a snapshot and its checkpoint share. */
  key: string
  target: Target
  step: number
  value: number | null
  isBest: boolean
  inMemory: boolean
  onDisk: boolean
  ghost: boolean
}

/** What a person typed; an empty field changes nothing. */
export interface OverrideInputs {
  rate: string
  maxSteps: string
  reset: boolean
}
export const NO_OVERRIDES: Readonly<OverrideInputs> = { rate: '', maxSteps: '', reset: false }

type ResumableRun = Pick<Run, 'state' | 'best_step' | 'best_value' | 'best_checkpoint' | 'memory'>
const MAX_STEPS = 2 ** 53
/** The contract's pattern (`Overrides.learning_rate`); a test compares the two. */
export const LEARNING_RATE = /^(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?x?$/

export function isLeased(run: Pick<Run, 'state'>): boolean {
  return run.state === 'running' || run.state === 'leased'
}

/** The actions that a run allows now, the usual one first. Only the script itself resumes a script's run. */
export function resumeActions(run: { state: Run['state']; spec: Pick<Run['spec'], 'source'> }): ResumeAction[] {
  if (isLeased(run)) return ['roll_back', 'fork']
  return (FINAL.has(run.state) || run.state === 'paused') && run.spec.source.kind !== 'external' ? ['resume', 'fork'] : ['fork']
}

/** Every state that the run keeps, newest step first. Only the trainer that holds a snapshot in memory can roll back to it. */
export function resumePointsOf(action: ResumeAction, run: ResumableRun, checkpoints: readonly Checkpoint[], validations: readonly Validation[]): ResumePoint[] {
  const held = action === 'roll_back' && isLeased(run) ? (run.memory?.snapshots ?? []) : []
  const inMemory = new Set(held.map((snapshot) => snapshot.id))
  const stored = checkpoints.filter((checkpoint) => checkpoint.state === 'durable' && checkpoint.kind !== 'selected') // no training passed through an average
  const onDisk = new Set(stored.map((checkpoint) => checkpoint.id))
  const points = stored.map((checkpoint): ResumePoint => ({
    key: checkpoint.id, target: { checkpoint: checkpoint.id }, step: checkpoint.step, value: numberOf(checkpoint.value),
    isBest: checkpoint.is_best ?? false, inMemory: inMemory.has(checkpoint.id), onDisk: true, ghost: checkpoint.ghost ?? false,
  }))
  for (const snapshot of held.filter(({ id }) => !onDisk.has(id))) {
    const validation = validations.findLast((candidate) => candidate.snapshot === snapshot.id)
    points.push({
      key: snapshot.id, target: { step: snapshot.step }, step: snapshot.step, value: numberOf(validation?.value),
      isBest: snapshot.is_best ?? false, inMemory: true, onDisk: false, ghost: validation?.ghost ?? false,
    })
  }
  return points.sort((a, b) => b.step - a.step)
}

/** The named points come first: they mean the best, or the last, at the moment when the trainer obeys. */
export function resumeChoices(action: ResumeAction, run: ResumableRun, points: readonly ResumePoint[], picked: string | null): ResumePoint[] {
  const best = bestOf(action, run, points)
  const last = action === 'roll_back' ? undefined : lastOf(points)
  if (action === 'resume' && points.length === 0) return [START]
  const named = [
    best && { ...best, key: 'best', target: { to: 'best' as const }, isBest: true },
    last && { ...last, key: 'last', target: { to: 'last' as const } },
  ]
  if (action === 'resume') named.reverse()
  if (best && best.key === last?.key) named.pop()
  const twice = new Set([best?.key, last?.key].filter((key) => key !== picked))
  return [...named.flatMap((point) => point ?? []), ...points.filter((point) => !twice.has(point.key))]
}

/** A run with nothing on disk begins anew. */
export const START: ResumePoint = { key: 'start', target: {}, step: 0, value: null, isBest: false, inMemory: false, onDisk: false, ghost: false }

function bestOf(action: ResumeAction, run: ResumableRun, points: readonly ResumePoint[]): ResumePoint | undefined {
  const kept = points.find((point) => point.key === run.best_checkpoint) ?? points.find((point) => point.isBest)
  if (kept || action !== 'roll_back' || run.best_step == null) return kept
  // The validation arrived a moment before the news of its checkpoint and snapshot.
  const value = numberOf(run.best_value)
  return { key: 'best', target: { to: 'best' }, step: run.best_step, value, isBest: true, inMemory: false, onDisk: false, ghost: false }
}

function lastOf(points: readonly ResumePoint[]): ResumePoint | undefined {
  return points.find((point) => !point.ghost) ?? points[0]
}

// The overrides

export function learningRateError(text: string): string | null {
  const rate = text.trim()
  if (rate === '' || (LEARNING_RATE.test(rate) && rate.length <= 40 && Number.parseFloat(rate) > 0)) return null
  return 'Enter a number above 0, such as 3e-5, or a multiple, such as 0.1x.'
}

/** The optimizer's learning rate in a checkpoint; null where its optimizer holds none, or several. */
export function rateIn(variables: readonly Pick<Variable, 'collection' | 'path' | 'shape' | 'mean'>[]): number | null {
  const rates = variables.filter(({ collection, path, shape }) => collection === 'optimizer' && shape.length === 0 && /(^|\/)learning_rate$/.test(path))
  return rates.length === 1 ? numberOf(rates[0]!.mean) : null
}

/** "A number, or a multiple of the rate at this point, 5." A recipe may multiply the rate that it was given. */
export function describeRate(rate: number | null, parameter: unknown): string {
  if (rate === null) return 'A number, or a multiple of the present rate.'
  const given = typeof parameter === 'number' && Math.abs(parameter - rate) > 1e-6 * rate ? ` The run was given learning_rate=${figure(parameter)}; this is what its optimizer uses.` : ''
  return `A number, or a multiple of the rate at this point, ${figure(rate)}.${given}`
}

/** The step at which a run stops at the latest. `reached`: the run stopped there, so it needs a higher limit. */
export interface StepLimit {
  steps: number | null
  reached: boolean
}

export function stepLimitOf(run: Pick<Run, 'max_steps' | 'stop_reason'> & { spec: Pick<Run['spec'], 'max_steps'> }, action: ResumeAction, from: number): StepLimit {
  const steps = run.max_steps ?? run.spec.max_steps ?? null
  return { steps, reached: steps !== null && (steps <= from || (action === 'resume' && run.stop_reason === 'max_steps')) }
}

export function maxStepsError(text: string, from: number, limit: StepLimit): string | null {
  if (text.trim() === '') return limit.reached ? `The run reached its limit of ${count(limit.steps)} steps. Enter a higher limit.` : null
  const steps = stepsOf(text)
  if (steps === null) return 'Enter a whole number of steps.'
  return steps > from ? null : `The run goes on from step ${count(from)}. Enter a higher number.`
}

function stepsOf(text: string): number | null {
  const digits = text.replace(/[\s,]/g, '') // as a person types 20 000, and as the page writes 20,000
  const steps = Number(digits)
  return /^\d+$/.test(digits) && steps >= 1 && steps <= MAX_STEPS ? steps : null
}

export function resumeOptions(target: Target, change: OverrideInputs): ResumeOptions {
  const overrides = { learning_rate: change.rate.trim() || null, max_steps: stepsOf(change.maxSteps), reset_patience: change.reset }
  return { to: null, step: null, checkpoint: null, ...target, ...overrides }
}

/** "learning rate 0.1x, up to 20 000 steps, patience reset"; empty without an override. */
export function describeOverrides(overrides: Partial<Overrides> | null | undefined): string {
  return [
    overrides?.learning_rate ? `learning rate ${overrides.learning_rate}` : '',
    overrides?.max_steps ? `up to ${count(overrides.max_steps)} steps` : '',
    overrides?.reset_patience ? 'patience reset' : '',
  ].filter(Boolean).join(', ')
}

// The outcome

/** "done in 0.4 s, from memory". The clocks of two machines may differ, so a negative time is left out. */
export function describeOutcome(command: Pick<Command, 'state' | 'requested_at' | 'done_at' | 'result'>): string {
  const [requested, done] = [epochOf(command.requested_at), epochOf(command.done_at)]
  if (command.state !== 'done' || requested === null || done === null) return ''
  const time = done >= requested ? ` in ${formatSeconds(done - requested)}` : ''
  const source = (command.result as { source?: unknown } | null | undefined)?.source
  return `done${time}${source === 'memory' || source === 'disk' ? `, from ${source}` : ''}`
}

function formatSeconds(seconds: number): string {
  return `${seconds < 0.1 ? seconds.toFixed(2) : seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`
}
