/** A project's rules in words: what each is for, what it does now, what happens without it. Pure. */
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
  max_steps: 'Most steps',
  max_seconds: 'Most time',
}
/** What is so as long as there is no such rule. */
export const WITHOUT: Readonly<Record<RuleName, string>> = {
  stopper: 'Not set: a run that is submitted without a stopper gets its recipe’s, or patience(checks=10) | check_finite().',
  median: 'Not set: no run is compared with others.',
  max_steps: 'Not set: a run trains as many steps as it was asked to.',
  max_seconds: 'Not set: a run trains as long as it takes.',
}
export const ABOUT: Readonly<Record<RuleName, string>> = {
  stopper: 'For runs that are submitted from now on. A script that calls init() by itself keeps its own, and so does a run that is queued or trains already.',
  median: 'Compared with finished runs of the same metric. A run that is worse than half of them will hardly become the best.',
  max_steps: 'Whatever a run was asked for. The look at that step still counts.',
  max_seconds: 'Since the run first began, pauses counted in.',
}
const FORMS = {
  vizier: 'the running averages up to the same step',
  optuna: 'the values at exactly the same step',
} as const

/** What a rule does, in a sentence; null where it is not set. */
export function describeRule(name: RuleName, rules: Rules): string | null {
  const { stopper, median, max_steps: steps, max_seconds: seconds } = rules
  if (name === 'stopper') return stopper ? `A run that is submitted without a stopper stops by ${defaultText(rules)}.` : null
  if (name === 'max_steps') return steps == null ? null : `Every run is stopped at step ${count(steps)}.`
  if (name === 'max_seconds') return seconds == null ? null : `Every run is stopped after ${duration(seconds)}.`
  if (!median) return null
  const from = median.start_from ? `, from step ${count(median.start_from)} on` : ''
  const runs = median.startup_runs === 1 ? 'one run has' : `${count(median.startup_runs)} runs have`
  return `A run is stopped when its best is worse than the median of ${FORMS[median.form]}, as soon as ${runs} finished${from}.`
}

/** The default stopper as the command writes it; null where there is none. */
export function defaultText(rules: Pick<Rules, 'stopper'>): string | null {
  return rules.stopper ? formatPolicy(rules.stopper as Policy) : null
}

/** What a project's rules do to its runs, in one line; empty where there are none. */
export function summarizeRules(rules: Rules): string {
  const { median, max_steps: steps, max_seconds: seconds } = rules
  const parts = [
    median && `stops runs worse than the median (${median.form}) of ${count(median.startup_runs)} or more from step ${count(median.start_from)} on`,
    steps != null && `at most ${count(steps)} steps`,
    seconds != null && `at most ${duration(seconds)}`,
    rules.stopper && `without a stopper: ${defaultText(rules)}`,
  ]
  return parts.filter(Boolean).join(' · ')
}

export function isSame(a: Rules[RuleName], b: Rules[RuleName]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
