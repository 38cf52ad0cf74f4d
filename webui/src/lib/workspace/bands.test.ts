import { describe, expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { bandOfCurves, groupOf, spreadOf } from './bands'

describe('a band', () => {
  it.each([
    ['range', 1, 5], ['deviation', 1, 5], ['error', 3 - 2 / Math.sqrt(3), 3 + 2 / Math.sqrt(3)],
  ] as const)('of %s', (kind, low, high) => {
    const spread = spreadOf([1, 3, 5], kind)
    expect(spread.mean).toBe(3)
    expect(spread.low).toBeCloseTo(low)
    expect(spread.high).toBeCloseTo(high)
  })
  it('has no width for one run', () => {
    expect(spreadOf([2], 'error')).toEqual({ mean: 2, low: 2, high: 2 })
  })
  it('joins curves with different x, and ends with each curve', () => {
    const band = bandOfCurves([{ x: [0, 10], values: [0, 10] }, { x: [0, 5, 10, 20], values: [2, 7, 12, 22] }], 'range')
    expect(band.x).toEqual([0, 5, 10, 20])
    expect(band.mean).toEqual([1, 6, 11, 22])
    expect(band.counts).toEqual([2, 2, 2, 1])
  })
  it('passes over values that are not finite', () => {
    expect(bandOfCurves([{ x: [0, 5, 10], values: [0, NaN, 10] }], 'range').mean).toEqual([0, 10])
    expect(bandOfCurves([], 'range').x).toEqual([])
  })
})

describe('the group of a run', () => {
  const run = (parameters: object) => ({ tags: ['b', 'a'], spec: { parameters, source: { kind: 'recipe', name: 'mlp' }, trial: null } }) as unknown as Run
  it('is by a field of the list', () => {
    expect(groupOf(run({ lr: 0.1 }), 'params.lr')).toBe('0.1')
    expect(groupOf(run({}), 'recipe')).toBe('mlp')
    expect(groupOf(run({}), 'tag')).toBe('a, b')
    expect(groupOf(run({}), '')).toBe('all runs')
  })
  it('is one for runs that differ by seed alone', () => {
    expect(groupOf(run({ lr: 1, seed: 1 }), 'variant')).toBe(groupOf(run({ seed: 2, lr: 1 }), 'variant'))
    expect(groupOf(run({ lr: 1 }), 'variant')).not.toBe(groupOf(run({ lr: 2 }), 'variant'))
  })
})
