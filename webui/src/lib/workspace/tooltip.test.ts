import { describe, expect, it } from 'vitest'
import type { RunCurve } from '$lib/api/search'
import { inOrder, extendRunCurve } from '$lib/curves/curveTails'
import { rankReadings, readingOf, readingsAsText } from './tooltip'

function curve(run: string, values: number[], x = values.map((_, index) => index * 10)): RunCurve {
  return { run, key: 'loss', total: values.length, steps: values.map((_, index) => index * 10), x, values, ghosts: [] }
}
const reading = (run: string, value: number) => ({ run, key: 'loss', step: 10, value, smoothed: null })

describe('the reading of a curve', () => {
  it('is the point nearest to the crosshair', () => {
    expect(readingOf(curve('a', [3, 2, 1]), 12, 0)).toMatchObject({ step: 10, value: 2, smoothed: null })
  })
  it('is missing behind the end of the run', () => {
    expect(readingOf(curve('a', [3, 2, 1]), 26, 0)).toBeNull()
    expect(readingOf(curve('a', [3, 2, 1]), 24, 0)).not.toBeNull()
  })
  it('keeps its step and value where x turns round', () => {
    const back = curve('a', [1, 2, 3], [30, 10, 20])
    expect(readingOf(back, 30, 0)).toMatchObject({ step: 0, value: 1 })
    expect(readingOf(back, 10, 0.5)).toMatchObject({ step: 10, value: 2 })
    expect(readingOf(back, 10, 0.5)!.smoothed).toBeCloseTo(1.667, 3)
  })
  it('has the smoothed value beside the raw one', () => {
    expect(readingOf(curve('a', [4, 2]), 10, 0.5)!.smoothed).toBeCloseTo(2.667, 3)
  })
})

describe('the ranking', () => {
  const readings = [reading('a', 2), reading('b', 1), reading('c', NaN), reading('d', 3)]
  it('puts the best first by direction, and what is not finite last', () => {
    expect(rankReadings(readings, 'min', null).map(({ run }) => run)).toEqual(['b', 'a', 'd', 'c'])
    expect(rankReadings(readings, 'max', null).map(({ run }) => run)).toEqual(['d', 'a', 'b', 'c'])
  })
  it('marks the one nearest to the pointer', () => {
    const nearest = rankReadings(readings, 'min', 2.2).filter(({ isNearest }) => isNearest)
    expect(nearest.map(({ run }) => run)).toEqual(['a'])
  })
  it('is copied as lines with tabs', () => {
    expect(readingsAsText(rankReadings([reading('a', 2)], 'min', null), () => '#1 a')).toBe('run\tmetric\tstep\tvalue\n#1 a\tloss\t10\t2')
  })
})

describe('a curve', () => {
  it('is put in the order of x, without points that have none', () => {
    expect(inOrder([3, NaN, 1], [30, 20, 10])).toEqual({ x: [1, 3], values: [10, 30] })
  })
  it('takes new points behind its last step', () => {
    const longer = extendRunCurve(curve('a', [3, 2]), { ...curve('a', [2, 1]), steps: [10, 20], x: [10, 20], total: 1 })
    expect(longer).toMatchObject({ steps: [0, 10, 20], values: [3, 2, 1], total: 3 })
  })
})
