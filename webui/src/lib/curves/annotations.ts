/** What is drawn over the curve of the monitored metric: why the run is where it is, in marks. Pure: the chart draws them. */
import { count } from '$lib/ui/format'
import { overrideWords } from '$lib/run/resumePoints'
import type { Look, Overrides, Segment } from '$lib/api/types'
import { FINAL, patienceWords } from '$lib/ui/labels'

export interface Marks {
  higher: boolean // is better
  best: { step: number; value: number; restored: boolean } | null
  /** The steps that may pass without improvement. */
  patience: { from: number; to: number } | null
  /** What the next look must beat: the best, moved by min_delta. */
  bar: number | null
  stop: { step: number; text: string } | null
  jumps: { step: number; from: number | null; text: string }[]
}

/** The part of a run that the marks follow from. */
export interface Marked {
  state: string
  mode: string
  best_step?: number | null
  best_value?: number | null
  step?: number | null
  last_look_step?: number | null
  wait?: number | null
  patience_left?: number | null
  patience_unit?: string | null
  stop_reason?: string | null
  spec: { validate_every: number; stopper: Policy }
}
export interface Policy {
  name: string
  params?: Record<string, unknown>
  policies?: Policy[]
}
export interface Jump {
  number: number
  reason: string
  start_step: number
  overrides?: Partial<Overrides> | null
}

export function marksOf(run: Marked, jumps: readonly Jump[], tails: ReadonlyMap<number, number>, reason: string): Marks {
  const ended = FINAL.has(run.state)
  const best = run.best_step ?? null
  const value = run.best_value ?? null
  return {
    higher: run.mode === 'max',
    best: best === null || value === null ? null : { step: best, value, restored: run.state === 'finished' },
    patience: patienceBand(run),
    bar: value === null ? null : beat(value, run.mode, minDelta(run.spec.stopper)),
    stop: ended && run.stop_reason && run.step ? { step: run.step, text: reason } : null,
    jumps: jumps.filter((jump) => jump.reason !== 'start').map((jump) => {
      const from = tails.get(jump.number) ?? null
      return { step: jump.start_step, from, text: jumpWords(jump, from) }
    }),
  }
}

/** From the look that last counted as an improvement to the step where patience ends. */
function patienceBand(run: Marked): Marks['patience'] {
  const { wait, patience_left: left, last_look_step: look } = run
  if (wait == null || left == null || look == null) return null
  const stride = run.patience_unit === 'steps' ? 1 : run.spec.validate_every
  return { from: Math.max(0, look - wait * stride), to: look + left * stride }
}

/** "3 of 10 checks without improvement; patience ends at step 1 300"; null where there is no patience. */
export function patienceSentence(run: Marked): string | null {
  const { wait, patience_left: left, patience_unit: unit } = run
  if (wait == null || left == null) return null
  const waited = `${count(wait)} of ${patienceWords(wait + left, unit)} without improvement`
  if (FINAL.has(run.state)) return `${waited} when it ended`
  const ends = patienceBand(run)
  return ends ? `${waited}; patience ends at step ${count(ends.to)}` : waited
}

function beat(best: number, mode: string, delta: number): number | null {
  if (mode === 'min') return best - delta
  return mode === 'max' ? best + delta : null
}

export function minDelta(policy: Policy): number {
  const inner = policyNamed(policy, 'patience')
  const delta = Number(inner?.params?.min_delta ?? 0)
  return Number.isFinite(delta) ? delta : 0
}

export function policyNamed(policy: Policy, name: string): Policy | undefined {
  if (policy.name === name) return policy
  for (const inner of policy.policies ?? []) {
    const found = policyNamed(inner, name)
    if (found) return found
  }
  return undefined
}

/** The last step of the tail that each segment left behind, which is where it jumped back from. */
export function tailsOf(segments: readonly Pick<Segment, 'number' | 'parent'>[], looks: readonly Look[]): Map<number, number> {
  const ends = new Map<number, number>()
  for (const segment of segments) {
    const left = looks.findLast((one) => one.ghost && one.segment === segment.parent)
    if (left && segment.parent != null) ends.set(segment.number, left.step)
  }
  return ends
}

const VERBS = new Map([['roll_back', 'rolled back'], ['resume', 'resumed'], ['fork', 'forked'], ['start', 'started']])

/** "rolled back 550 → 300, learning rate 0.1x"; `from` is where the tail ends that was left. */
export function jumpWords(jump: Jump, from: number | null): string {
  const verb = VERBS.get(jump.reason) ?? jump.reason.replaceAll('_', ' ')
  const where = from === null || from === jump.start_step ? `at ${jump.start_step}` : `${from} → ${jump.start_step}`
  return [`${verb} ${where}`, overrideWords(jump.overrides)].filter(Boolean).join(', ')
}

const SIGNS = new Map([['any_of', ' | '], ['all_of', ' & ']])

/** `patience(checks=10, min_delta=0.001) | max_seconds(3600)`, as the command writes it. */
export function policyText(policy: Policy): string {
  const inner = policy.policies ?? []
  const sign = SIGNS.get(policy.name)
  if (sign) return inner.map((part) => partText(part, policy)).join(sign)
  const params = Object.entries(policy.params ?? {}).filter(([, value]) => value !== null)
  return `${policy.name}(${[...params.map(paramText), ...inner.map(policyText)].join(', ')})`
}

/** Words stand first, in quotes and without a name. */
function paramText([name, value]: [string, unknown]): string {
  if (typeof value !== 'string') return `${name}=${String(value)}`
  return value.includes('"') ? `'${value}'` : `"${value}"`
}

/** `|` binds looser than `&`: any_of inside all_of needs parentheses. */
function partText(part: Policy, whole: Policy): string {
  const isLooser = part.name === 'any_of' && whole.name === 'all_of' && (part.policies ?? []).length > 1
  return isLooser ? `(${policyText(part)})` : policyText(part)
}
