/** A project's rules in sentences: what each rule is for, what it does, what happens without it. Pure. */
import { count, duration } from '$lib/ui/format'
import { formatPolicy, type Policy } from './policy'
import type { ProjectRules } from '$lib/api/types'

export type Rules = Pick<ProjectRules, 'stopper' | 'median' | 'max_steps' | 'max_seconds'>
export type RuleName = keyof Rules
export type Median = NonNullable<Rules['median']>

export const NAMES: readonly RuleName[] = ['stopper', 'median', 'max_steps', 'max_seconds']
export const TITLES: Readonly<Record<RuleName, string>> = {
  stopper: 'Default stopper',
  median: 'Worse than the median',
  max_steps: 'Step limit',
  max_seconds: 'Time limit',
}
/** What happens without the rule. */
export const WITHOUT: Readonly<Record<RuleName, string>> = {
  stopper: 'Not set. A run without a stopper of its own uses the stopper of its recipe, or patience(checks=10) | check_finite().',
  median: 'Not set. The tracker compares no run with others.',
  max_steps: 'Not set. Each run trains up to its own limit.',
  max_seconds: 'Not set. A run trains as long as it needs.',
}
export const ABOUT: Readonly<Record<RuleName, string>> = {
  stopper: 'The rule holds for runs that people submit from now on. Scripts that call keepbest.init, queued runs and running runs keep their stoppers.',
  median: 'The tracker compares a run with finished runs of the same metric. A run that is worse than half of them rarely becomes the best.',
  max_steps: 'The rule overrides a higher limit of a run. The validation at that step still counts.',
  max_seconds: 'The time counts from the first start of the run and includes pauses.',
}
const FORMS = {
  vizier: 'the running averages up to the same step',
  optuna: 'the values at exactly the same step',
} as const

/** What a rule does, in a sentence; null without the rule. */
export function describeRule(name: RuleName, rules: Rules): string | null {
  const { stopper, median, max_steps: steps, max_seconds: seconds } = rules
  if (name === 'stopper') return stopper ? `A run without a stopper of its own stops by ${defaultText(rules)}.` : null
  if (name === 'max_steps') return steps == null ? null : `The tracker stops every run at step ${count(steps)}.`
  if (name === 'max_seconds') return seconds == null ? null : `The tracker stops every run after ${duration(seconds)}.`
  if (!median) return null
  const from = median.start_from ? `, from step ${count(median.start_from)} on` : ''
  const runs = median.startup_runs === 1 ? 'one run has' : `${count(median.startup_runs)} runs have`
  return `The tracker stops a run whose best is worse than the median of ${FORMS[median.form]}, once ${runs} finished${from}.`
}

/** The default stopper as the command line writes it; null without one. */
export function defaultText(rules: Pick<Rules, 'stopper'>): string | null {
  return rules.stopper ? formatPolicy(rules.stopper as Policy) : null
}

export function isSame(a: Rules[RuleName], b: Rules[RuleName]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
