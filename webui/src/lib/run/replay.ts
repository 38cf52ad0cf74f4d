/** Replays of stopping policies: the patience settings of a policy, what the policy saves and loses, the Pareto front. Pure. */
import { count, duration, figure } from '$lib/ui/format'
import { findPolicy, type Policy } from './policy'
import type { Replay, ReplayedPolicy, ReplayOutcome, ReplaySummary } from '$lib/api/types'

export type Unit = 'checks' | 'steps'
export interface PatienceSettings {
  patience: number
  unit: Unit
  delta: number
  smoothing: number
}

const DEFAULT_CHECKS = 10
const SETTINGS: ReadonlySet<string> = new Set(['checks', 'steps', 'min_delta', 'smoothing'])
const STEPS_ONLY: ReadonlySet<string> = new Set(['every_step', 'inclusive'])
/** Parameters that the text leaves out at these values: their defaults. */
const LEFT_OUT: Readonly<Record<string, unknown>> = { start_from: 0, inclusive: false }
const MANTISSAS = [1, 2, 5]
const DECADES = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10]

/** The settings of the first patience in the policy; null where the policy has none. */
export function patienceSettings(policy: Policy): PatienceSettings | null {
  const patient = findPolicy(policy, 'patience')
  if (!patient) return null
  const params = patient.params ?? {}
  const unit: Unit = params.steps == null ? 'checks' : 'steps'
  const patience = Number(params[unit] ?? DEFAULT_CHECKS)
  return { patience, unit, delta: Number(params.min_delta ?? 0), smoothing: Number(params.smoothing ?? 0) }
}

/** Returns the policy with these settings in its first patience; everything else stays. */
export function withPatience(policy: Policy, settings: PatienceSettings): Policy {
  const target = findPolicy(policy, 'patience')
  const replace = (part: Policy): Policy =>
    part === target ? { ...part, params: paramsOf(part.params ?? {}, settings) } : { ...part, ...(part.policies && { policies: part.policies.map(replace) }) }
  return replace(policy)
}

/** Returns the policy without the patience parameters that have their default. */
export function withoutDefaults(policy: Policy): Policy {
  const settings = policy.name === 'patience' ? patienceSettings(policy) : null
  const params = settings ? paramsOf(policy.params ?? {}, settings) : policy.params
  return { ...policy, ...(params && { params }), ...(policy.policies && { policies: policy.policies.map(withoutDefaults) }) }
}

function paramsOf(before: Record<string, unknown>, { patience, unit, delta, smoothing }: PatienceSettings): Record<string, unknown> {
  const rest = Object.entries(before).filter(([name, value]) => value != null && value !== LEFT_OUT[name] && !SETTINGS.has(name) && (unit === 'steps' || !STEPS_ONLY.has(name)))
  return { [unit]: patience, ...(delta && { min_delta: delta }), ...(smoothing && { smoothing }), ...Object.fromEntries(rest) }
}

/** 0, then 1, 2, 5 in each power of ten, up to the range of the measured values. */
export function deltasUpTo(range: number): number[] {
  const all = DECADES.flatMap((decade) => MANTISSAS.map((mantissa) => Number((decade * mantissa).toPrecision(1))))
  return [0, ...all.filter((delta) => delta <= range)]
}

/** The index of the choice nearest to a value that somebody may have typed. */
export function nearestIndex(choices: readonly number[], value: number): number {
  const away = choices.map((choice) => Math.abs(choice - value))
  return away.indexOf(Math.min(...away))
}

export function headline({ status, stop_step: step }: ReplayOutcome): string {
  if (status === 'stopped') return `Stops at step ${count(step)}`
  return status === 'censored' ? 'The run would have gone on' : 'The recorded validations cannot tell'
}

export function describeSaved(outcome: ReplayOutcome): string {
  const { steps_saved: steps, share_saved: share, seconds_saved: seconds } = outcome
  if (steps === null) return '–'
  const more = steps < 0
  const parts = [`${count(Math.abs(steps))} steps`, share !== null && percent(Math.abs(share)), seconds !== null && duration(Math.abs(seconds))]
  return parts.filter(Boolean).join(' · ') + (more ? ' more than the run took' : '')
}

export function describeLost(outcome: ReplayOutcome): string {
  const { value_lost: lost, examples_lost: examples, standard_errors_lost: errors } = outcome
  if (lost === null) return '–'
  if (lost === 0) return 'nothing'
  const parts = [figure(Math.abs(lost), 4), examples !== null && formatExamples(Math.abs(examples)), errors !== null && `${figure(Math.abs(errors), 2)} standard errors`]
  return parts.filter(Boolean).join(' · ') + (lost < 0 ? ' better than the run' : '')
}

function formatExamples(examples: number): string {
  return `${count(examples)} ${examples === 1 ? 'example' : 'examples'}`
}

export function describeCheckpoint(outcome: ReplayOutcome): string {
  const { has_checkpoint: has, nearest_checkpoint: near } = outcome
  if (has) return 'on disk'
  if (has === null) return 'unknown'
  return near === null ? 'deleted, and no other is left' : `deleted; the nearest is at step ${count(near)}`
}

export function percent(share: number): string {
  return `${figure(share * 100, share >= 0.1 ? 2 : 1)} %`
}

export interface Dot {
  index: number
  stopper: string
  saved: number
  lost: number
  onFront: boolean
  recommended: boolean
}

/** The policies with a known saving and loss, in order of what they save. */
export function dotsOf({ policies, recommended }: Pick<Replay, 'policies' | 'recommended'>): Dot[] {
  return policies
    .flatMap(({ summary, stopper, on_front: onFront }: ReplayedPolicy, index) => {
      const [saved, lost] = [summary.share_saved, summary.lost === null ? null : Number(summary.lost)]
      if (saved === null || lost === null || !Number.isFinite(lost)) return []
      return [{ index, stopper, saved, lost, onFront, recommended: index === recommended }]
    })
    .sort((a, b) => a.saved - b.saved || a.lost - b.lost)
}

/** A range that holds 0 and all values, with three ticks; from 0 to 1 where all values are 0. */
export function axisRange(values: readonly number[]): { low: number; high: number; ticks: number[] } {
  const low = Math.min(0, ...values)
  const high = Math.max(0, ...values)
  const top = high > low ? high : 1
  return { low, high: top, ticks: [low, (low + top) / 2, top] }
}

export function formatLost(summary: Pick<ReplaySummary, 'lost'>): string {
  if (summary.lost === null) return '–'
  const lost = Number(summary.lost)
  if (!Number.isFinite(lost)) return 'kept no best'
  return lost === 0 ? 'nothing' : figure(lost, 3)
}
