import { describe, expect, it } from 'vitest'
import { formatPolicy } from './policy'
import { describeCheckpoint, deltasUpTo, dotsOf, headline, patienceSettings, formatLost, describeLost, nearestIndex, withoutDefaults, describeSaved, axisRange, withPatience } from './replay'
import type { ReplayedPolicy, ReplayOutcome } from '$lib/api/types'

const patience = { name: 'patience', params: { checks: 10, min_delta: 0.001, start_from: 300 } }
const whole = { name: 'any_of', params: {}, policies: [patience, { name: 'check_finite' }] }
const stopped: ReplayOutcome = {
  status: 'stopped', message: '', stop_step: 2101, reason: 'patience', best_step: 1900, best_value: 0.98, steps_saved: 3700, share_saved: 0.638,
  seconds_saved: 61, value_lost: 0.007, examples_lost: 35, standard_errors_lost: 4.55, regret: 0.007, has_checkpoint: false, nearest_checkpoint: 4800,
}

describe('knobs', () => {
  it('come from the first patience of a composition', () => {
    expect(patienceSettings(whole)).toEqual({ patience: 10, unit: 'checks', delta: 0.001, smoothing: 0 })
    expect(patienceSettings({ name: 'patience' })?.patience).toBe(10)
    expect(patienceSettings({ name: 'max_steps' })).toBeNull()
  })

  it('change that patience and keep the rest of the policy', () => {
    const to = { patience: 7, unit: 'checks', delta: 0, smoothing: 0.5 } as const
    expect(formatPolicy(withPatience(whole, to))).toBe('patience(checks=7, smoothing=0.5, start_from=300) | check_finite()')
  })

  it('leave out the parameters of the other unit', () => {
    const inSteps = { name: 'patience', params: { steps: 1000, every_step: false, inclusive: true } }
    const to = { patience: 10, unit: 'checks', delta: 0, smoothing: 0 } as const
    expect(formatPolicy(withPatience(inSteps, to))).toBe('patience(checks=10)')
    expect(formatPolicy(withPatience(inSteps, { ...to, unit: 'steps', patience: 700 }))).toBe('patience(steps=700, every_step=false, inclusive=true)')
  })
})

it('writes a policy without parameters at their defaults', () => {
  const full = { checks: 6, steps: null, min_delta: 0, baseline: null, start_from: 0, smoothing: 0, every_step: false, inclusive: false }
  const inSteps = { ...full, checks: null, steps: 1000, every_step: true, baseline: 0.5 }
  const shadow = { name: 'shadow', policies: [{ name: 'patience', params: inSteps }] }
  const policy = { name: 'any_of', policies: [{ name: 'patience', params: full }, shadow, { name: 'max_steps', params: { steps: 9 } }] }
  expect(formatPolicy(withoutDefaults(policy))).toBe('patience(checks=6) | shadow(patience(steps=1000, baseline=0.5, every_step=true)) | max_steps(steps=9)')
})

it('offers a min_delta of every size up to the range of the values', () => {
  expect(deltasUpTo(0.003)).toEqual([0, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 0.001, 0.002])
  expect(deltasUpTo(0)).toEqual([0])
  expect(nearestIndex([0, 0.001, 0.002], 0.0017)).toBe(2)
})

describe('words', () => {
  it('name the savings and the losses', () => {
    expect(headline(stopped)).toBe('Stops at step 2,101')
    expect(describeSaved(stopped)).toBe('3,700 steps · 64 % · 1 min 01 s')
    expect(describeLost(stopped)).toBe('0.007 · 35 examples · 4.5 standard errors')
    expect(describeCheckpoint(stopped)).toBe('deleted; the nearest is at step 4,800')
  })

  it('are empty if nothing is known', () => {
    const censored = { ...stopped, status: 'censored', stop_step: null, steps_saved: null, value_lost: null, has_checkpoint: null } as const
    expect([headline(censored), describeSaved(censored), describeLost(censored)]).toEqual(['The run would have gone on', '–', '–'])
    expect(describeCheckpoint(censored)).toBe('unknown')
  })

  it('speak of longer training if the policy goes on and finds a better value', () => {
    const longer = { ...stopped, steps_saved: -200, share_saved: -0.05, seconds_saved: null, value_lost: -0.01, examples_lost: -1, standard_errors_lost: null }
    expect(describeSaved(longer)).toBe('200 steps · 5 % more than the run took')
    expect(describeLost(longer)).toBe('0.01 · 1 example better than the run')
  })
})

it('draws policies with known savings and losses, from the least saved to the most', () => {
  const one = (stopper: string, share_saved: number | null, lost: number | null, on_front = false) =>
    ({ stopper, on_front, summary: { share_saved, lost } }) as ReplayedPolicy
  const dots = dotsOf({ policies: [one('b', 0.5, 0.1), one('a', 0.2, 0, true), one('c', null, null), one('d', 0.9, 'Infinity' as unknown as number)], recommended: 1 })
  expect(dots.map((dot) => [dot.stopper, dot.index, dot.onFront, dot.recommended])).toEqual([['a', 1, true, true], ['b', 0, false, false]])
})

it('has an axis even if no policy loses anything', () => {
  expect(axisRange([0, 0])).toEqual({ low: 0, high: 1, ticks: [0, 0.5, 1] })
  expect(axisRange([-1, 3])).toEqual({ low: -1, high: 3, ticks: [-1, 1, 3] })
})

it('says that a policy kept nothing', () => {
  expect([null, 0, 0.0123, 'Infinity'].map((lost) => formatLost({ lost: lost as number }))).toEqual(['–', 'nothing', '0.0123', 'kept no best'])
})
