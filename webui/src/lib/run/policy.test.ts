import { expect, it } from 'vitest'
import { formatPolicy, minDelta } from './policy'

it('finds min_delta inside a composition', () => {
  expect(minDelta({ name: 'any_of', policies: [{ name: 'patience', params: { checks: 10, min_delta: 0.01 } }] })).toBe(0.01)
  expect(minDelta({ name: 'max_steps' })).toBe(0)
})

it('writes a policy as the command does', () => {
  const policy = { name: 'any_of', policies: [{ name: 'patience', params: { checks: 10, steps: null } }, { name: 'check_finite' }] }
  expect(formatPolicy(policy)).toBe('patience(checks=10) | check_finite()')
  const all = { name: 'all_of', policies: [policy, { name: 'max_steps', params: { steps: 5 } }] }
  expect(formatPolicy(all)).toBe('(patience(checks=10) | check_finite()) & max_steps(steps=5)')
  expect(formatPolicy({ name: 'shadow', policies: [all] })).toBe('shadow((patience(checks=10) | check_finite()) & max_steps(steps=5))')
  expect(formatPolicy({ name: 'require', params: { bound: 'recall >= 0.9' }, policies: [{ name: 'patience' }] })).toBe('require("recall >= 0.9", patience())')
})
