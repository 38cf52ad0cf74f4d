import { describe, expect, it } from 'vitest'
import { smooth } from './smooth'

describe('smooth', () => {
  it('leaves values alone at weight 0', () => {
    expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2])
  })

  it('keeps a constant unchanged from the first point on', () => {
    for (const value of smooth([5, 5, 5, 5], 0.9)) expect(value).toBeCloseTo(5, 12)
  })

  it('gives the numbers of the debiased average', () => {
    // a1 = 0.5*1 = 0.5, / (1-0.5) = 1; a2 = 0.25+0.5*3 = 1.75, / 0.75
    expect(smooth([1, 3], 0.5)).toEqual([1, 1.75 / 0.75])
  })

  it('never smooths across a value that is not finite', () => {
    const [first, hole, after] = smooth([100, NaN, 1], 0.9)
    expect(first).toBeCloseTo(100)
    expect(hole).toBeNaN()
    expect(after).toBeCloseTo(1)
    expect(smooth([1, Infinity, 2], 0.5)[1]).toBe(Infinity)
  })
})
