import { expect, it } from 'vitest'
import { defaultText, isSame, NAMES, describeRule, type RuleName, type Rules } from './rules'
import { rulesLine } from './snippets'

const NONE: Rules = { stopper: null, median: null, max_steps: null, max_seconds: null }
const ALL: Rules = {
  stopper: { name: 'patience', version: 1, params: { checks: 3 }, policies: [] },
  median: { form: 'vizier', startup_runs: 5, start_from: 0 },
  max_steps: 20000,
  max_seconds: 5400,
}

it('describes no rule that is not set', () => {
  expect(NAMES.map((name) => describeRule(name, NONE))).toEqual([null, null, null, null])
  expect(defaultText(NONE)).toBeNull()
})

it.each<[RuleName, Rules, string]>([
  ['stopper', ALL, 'A run without a stopper of its own stops by patience(checks=3).'],
  ['median', ALL, 'The tracker stops a run whose best is worse than the median of the running averages up to the same step, once 5 runs have finished.'],
  [
    'median',
    { ...NONE, median: { form: 'optuna', startup_runs: 1, start_from: 500 } },
    'The tracker stops a run whose best is worse than the median of the values at exactly the same step, once one run has finished, from step 500 on.',
  ],
  ['max_steps', ALL, 'The tracker stops every run at step 20,000.'],
  ['max_seconds', ALL, 'The tracker stops every run after 1 h 30 min.'],
])('%s in a sentence', (name, rules, words) => expect(describeRule(name, rules)).toBe(words))

it('compares rules by their values', () => {
  expect(isSame(ALL.median, { ...ALL.median! })).toBe(true)
  expect(isSame(ALL.median, { ...ALL.median!, start_from: 1 })).toBe(false)
  expect(isSame(0.5, null)).toBe(false)
})

it('writes the command that sets the same rules', () => {
  expect(rulesLine('a b', ALL)).toBe(`keepbest project rules 'a b' --stop "patience(checks=3)" --median vizier --startup-runs 5 --max-steps 20000 --max-seconds 5400`)
  expect(rulesLine('p', NONE)).toContain('--median vizier')
})
