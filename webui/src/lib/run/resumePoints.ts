/** Where a run may go on from, and what may be changed there. Pure: dialogs, cards and charts show it. */
import { count, epochOf } from '$lib/ui/format'
import { numberOf } from '$lib/api/floats'
import type { Checkpoint, Command, Look, Overrides, Run } from '$lib/api/types'
import { FINAL } from '$lib/ui/labels'

/** What is done: a living run goes back, a new run begins, an ended run goes on. */
export type ResumeAction = 'roll_back' | 'fork' | 'resume'
export const RESUME_ACTIONS: Readonly<Record<ResumeAction, { label: string; at: string }>> = {
  roll_back: { label: 'Roll back', at: 'Roll back to' },
  fork: { label: 'Fork', at: 'Fork from' },
  resume: { label: 'Resume', at: 'Resume from' },
}
export type Target = { to: 'best' | 'last' } | { step: number } | { checkpoint: string } | Record<string, never>
/** What is asked of the tracker: one place, and what changes there. */
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

/** What a person typed; empty fields change nothing. */
export interface OverrideInputs {
  rate: string
  maxSteps: string
  reset: boolean
}
export const NO_OVERRIDES: Readonly<OverrideInputs> = { rate: '', maxSteps: '', reset: false }

type ResumableRun = Pick<Run, 'state' | 'best_step' | 'best_value' | 'best_checkpoint' | 'memory'>
const MOST_STEPS = 2 ** 53
/** The contract's pattern (`Overrides.learning_rate`); a test compares the two. */
export const LEARNING_RATE = /^(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?x?$/

export function isLeased(run: Pick<Run, 'state'>): boolean {
  return run.state === 'running' || run.state === 'leased'
}

/** What can be done with what is kept of a run now, the usual thing first; a run that a script trains goes on by that script. */
export function resumeActions(run: { state: Run['state']; spec: Pick<Run['spec'], 'source'> }): ResumeAction[] {
  if (isLeased(run)) return ['roll_back', 'fork']
  return (FINAL.has(run.state) || run.state === 'paused') && run.spec.source.kind !== 'external' ? ['resume', 'fork'] : ['fork']
}

/** Every state that is kept, newest step first. Snapshots in memory are there only for the trainer that holds them. */
export function resumePointsOf(action: ResumeAction, run: ResumableRun, checkpoints: readonly Checkpoint[], looks: readonly Look[]): ResumePoint[] {
  const held = action === 'roll_back' && isLeased(run) ? (run.memory?.snapshots ?? []) : []
  const inMemory = new Set(held.map((snapshot) => snapshot.id))
  const stored = checkpoints.filter((checkpoint) => checkpoint.state === 'durable' && checkpoint.kind !== 'selected') // training never came by an average
  const onDisk = new Set(stored.map((checkpoint) => checkpoint.id))
  const points = stored.map((checkpoint): ResumePoint => ({
    key: checkpoint.id, target: { checkpoint: checkpoint.id }, step: checkpoint.step, value: numberOf(checkpoint.value),
    isBest: checkpoint.is_best ?? false, inMemory: inMemory.has(checkpoint.id), onDisk: true, ghost: checkpoint.ghost ?? false,
  }))
  for (const snapshot of held.filter(({ id }) => !onDisk.has(id))) {
    const look = looks.findLast((seen) => seen.snapshot === snapshot.id)
    points.push({
      key: snapshot.id, target: { step: snapshot.step }, step: snapshot.step, value: numberOf(look?.value),
      isBest: snapshot.is_best ?? false, inMemory: true, onDisk: false, ghost: look?.ghost ?? false,
    })
  }
  return points.sort((a, b) => b.step - a.step)
}

/** The points with a name come first: they mean what is best, or last, at the moment when it is obeyed. */
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

/** Where nothing of a run is on disk it begins anew. */
export const START: ResumePoint = { key: 'start', target: {}, step: 0, value: null, isBest: false, inMemory: false, onDisk: false, ghost: false }

function bestOf(action: ResumeAction, run: ResumableRun, points: readonly ResumePoint[]): ResumePoint | undefined {
  const kept = points.find((point) => point.key === run.best_checkpoint) ?? points.find((point) => point.isBest)
  if (kept || action !== 'roll_back' || run.best_step == null) return kept
  // Its look came a moment before its checkpoint and its snapshot were heard of.
  const value = numberOf(run.best_value)
  return { key: 'best', target: { to: 'best' }, step: run.best_step, value, isBest: true, inMemory: false, onDisk: false, ghost: false }
}

function lastOf(points: readonly ResumePoint[]): ResumePoint | undefined {
  return points.find((point) => !point.ghost) ?? points[0]
}

// What is changed

export function learningRateError(text: string): string | null {
  const rate = text.trim()
  if (rate === '' || (LEARNING_RATE.test(rate) && rate.length <= 40 && Number.parseFloat(rate) > 0)) return null
  return 'A number above 0 such as 3e-5, or a multiple such as 0.1x.'
}

/** Where a run stops at the latest, and whether it came to that and must be told anew. */
export interface StepLimit {
  steps: number | null
  reached: boolean
}

export function stepLimitOf(run: Pick<Run, 'max_steps' | 'stop_reason'> & { spec: Pick<Run['spec'], 'max_steps'> }, action: ResumeAction, from: number): StepLimit {
  const steps = run.max_steps ?? run.spec.max_steps ?? null
  return { steps, reached: steps !== null && (steps <= from || (action === 'resume' && run.stop_reason === 'max_steps')) }
}

export function maxStepsError(text: string, from: number, limit: StepLimit): string | null {
  if (text.trim() === '') return limit.reached ? `It came to its ${count(limit.steps)} steps: say how far it is to go.` : null
  const steps = stepsOf(text)
  if (steps === null) return 'A whole number of steps.'
  return steps > from ? null : `It goes on from step ${count(from)}: more steps than that.`
}

function stepsOf(text: string): number | null {
  const digits = text.replace(/\s/g, '')
  const steps = Number(digits)
  return /^\d+$/.test(digits) && steps >= 1 && steps <= MOST_STEPS ? steps : null
}

export function resumeOptions(target: Target, change: OverrideInputs): ResumeOptions {
  const overrides = { learning_rate: change.rate.trim() || null, max_steps: stepsOf(change.maxSteps), reset_patience: change.reset }
  return { to: null, step: null, checkpoint: null, ...target, ...overrides }
}

/** "learning rate 0.1x, up to 20 000 steps, begins to wait anew"; empty where nothing is changed. */
export function describeOverrides(overrides: Partial<Overrides> | null | undefined): string {
  return [
    overrides?.learning_rate ? `learning rate ${overrides.learning_rate}` : '',
    overrides?.max_steps ? `up to ${count(overrides.max_steps)} steps` : '',
    overrides?.reset_patience ? 'begins to wait anew' : '',
  ].filter(Boolean).join(', ')
}

// What came of it

/** "done in 0.4 s, from memory". The clocks of two machines may differ: what they make negative is not told. */
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
