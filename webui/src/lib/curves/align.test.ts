import { describe, expect, it } from 'vitest'
import { alignLines } from './align'

describe('alignLines', () => {
  it('keeps one shared x unchanged', () => {
    const x = [1, 2, 3]
    expect(alignLines([{ x, y: [4, 5, 6] }, { x, y: [7, 8, 9] }])).toEqual({ x, columns: [[4, 5, 6], [7, 8, 9]] })
  })

  it('tells "no point here" (undefined) from "not finite" (null)', () => {
    const { x, columns } = alignLines([{ x: [1, 3], y: [10, NaN] }, { x: [2, 3], y: [20, 30] }])
    expect(x).toEqual([1, 2, 3])
    expect(columns[0]).toEqual([10, undefined, null])
    expect(columns[1]).toEqual([undefined, 20, 30])
  })

  it('takes the last of two values at one x and sorts numbers as numbers', () => {
    expect(alignLines([{ x: [9, 10, 10, 100], y: [1, 2, 3, 4] }])).toEqual({ x: [9, 10, 100], columns: [[1, 3, 4]] })
  })

  it('returns an empty chart for an empty chart', () => {
    expect(alignLines([])).toEqual({ x: [], columns: [] })
    expect(alignLines([{ x: [], y: [] }])).toEqual({ x: [], columns: [[]] })
  })
})
