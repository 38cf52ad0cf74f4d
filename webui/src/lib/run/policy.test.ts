import { expect, it } from 'vitest'
import { formatPolicy, minDelta, patienceTotal } from './policy'

it('finds min_delta inside a composition', () => {
  expect(minDelta({ name: 'any_of', policies: [{ name: 'patience', params: { checks: 10, min_delta: 0.01 } }] })).toBe(0.01)
  expect(minDelta({ name: 'max_steps' })).toBe(0)
})

const patience = (params: Record<string, number>) => ({ name: 'patience', params })
const budget = { name: 'max_steps', params: { steps: 50_001 } }

it.each([
  [3, 7, 'checks', patience({ checks: 10 }), 10],
  [50_001, 0, 'steps', { name: 'any_of', policies: [patience({ steps: 50_000 }), budget] }, 50_000],
  [10, 0, 'checks', patience({ checks: 10 }), 10],
  [12, 0, 'checks', patience({}), 12],
  [300, 0, 'steps', { name: 'any_of', policies: [patience({ steps: 250 }), patience({ steps: 900 })] }, 250],
  [300, 0, 'steps', { name: 'any_of', policies: [{ name: 'shadow', policies: [patience({ steps: 300 })] }, patience({ steps: 290 })] }, 290],
  [5, 0, 'steps', undefined, 5],
])('waited %d, %d %s left', (wait, left, unit, stopper, total) => expect(patienceTotal(wait, left, unit, stopper)).toBe(total))

it('writes a policy as the command does', () => {
  const policy = { name: 'any_of', policies: [{ name: 'patience', params: { checks: 10, steps: null } }, { name: 'check_finite' }] }
  expect(formatPolicy(policy)).toBe('patience(checks=10) | check_finite()')
  const all = { name: 'all_of', policies: [policy, { name: 'max_steps', params: { steps: 5 } }] }
  expect(formatPolicy(all)).toBe('(patience(checks=10) | check_finite()) & max_steps(steps=5)')
  expect(formatPolicy({ name: 'shadow', policies: [all] })).toBe('shadow((patience(checks=10) | check_finite()) & max_steps(steps=5))')
  expect(formatPolicy({ name: 'require', params: { bound: 'recall >= 0.9' }, policies: [{ name: 'patience' }] })).toBe('require("recall >= 0.9", patience())')
})
