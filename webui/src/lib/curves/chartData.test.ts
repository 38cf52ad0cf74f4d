import { describe, expect, it } from 'vitest'
import { chartData, nearest, readingAt, xOf, xOfStep } from './chartData'
import { readCurve, type WireCurve } from '$lib/api/curve'

const rolledBack: WireCurve = {
  key: 'val_loss',
  total: 7,
  returned: 7,
  pieces: [
    { segment: 0, ghost: false, steps: [100, 200], values: [1, 0.5], times: [10, 20] },
    { segment: 0, ghost: true, steps: [300, 400], values: [0.9, 'NaN'], times: [30, 40] },
    { segment: 1, ghost: false, steps: [300, 400, 500], values: [0.4, 'Infinity', 0.3], times: [50, 60, 70] },
  ],
}
const plain = { axis: 'step', origin: 0, weight: 0, log: false } as const

describe('chartData', () => {
  it('draws ghost, raw, then smoothed, over one shared x', () => {
    const data = chartData([readCurve(rolledBack)], { ...plain, weight: 0.5 })
    expect(data.series.map((series) => series.kind)).toEqual(['ghost', 'raw', 'smooth'])
    expect(data.x).toEqual([100, 200, 300, 400, 500])
    expect(data.columns[1]).toEqual([1, 0.5, 0.4, null, 0.3])
    expect(data.columns[2]!.at(-1)).toBe(0.3) // starts afresh behind the gap
  })

  it('reports values that are not finite', () => {
    expect(chartData([readCurve(rolledBack)], plain).nonFinite).toEqual([{ key: 'val_loss', x: 400, value: Infinity }])
  })

  it('leaves values out of a logarithmic axis that it cannot show, and counts them', () => {
    const curve = readCurve({ key: 'k', total: 3, returned: 3, pieces: [{ segment: 0, ghost: false, steps: [1, 2, 3], values: [0, -1, 2], times: [1, 2, 3] }] })
    const data = chartData([curve], { ...plain, log: true })
    expect(data.columns[0]).toEqual([null, null, 2])
    expect(data.hiddenValues).toBe(2)
  })
})

describe('time axis', () => {
  it('counts from the origin and holds still when the clock went backwards', () => {
    expect(xOf({ steps: [1, 2, 3], values: [0, 0, 0], times: [105, 103, 110] }, 'time', 100)).toEqual([5, 5, 10])
  })
})

describe('readingAt', () => {
  const curve = readCurve(rolledBack)
  it('reads the nearest point, or the last one', () => {
    expect(readingAt(curve, 140, plain)).toMatchObject({ step: 100, raw: 1 })
    expect(readingAt(curve, null, plain)).toMatchObject({ step: 500, raw: 0.3 })
    expect(readingAt(readCurve({ key: 'x', total: 0, returned: 0, pieces: [] }), 1, plain)).toBeNull()
  })
})

it.each([
  [[1, 5, 9], 0, 0],
  [[1, 5, 9], 6, 1],
  [[1, 5, 9], 7.5, 2],
  [[1, 5, 9], 99, 2],
  [[4], 1, 0],
])('nearest(%j, %d) = %d', (sorted, x, index) => expect(nearest(sorted, x)).toBe(index))

describe('xOfStep', () => {
  const curve = readCurve(rolledBack)
  const inTime = { ...plain, axis: 'time' } as const
  it('is the step itself, or the time at that step', () => {
    expect(xOfStep(250, curve, plain)).toBe(250)
    expect(xOfStep(200, curve, inTime)).toBe(20)
    expect(xOfStep(200, undefined, inTime)).toBeNull()
  })

  it('estimates times beyond the last point from the average pace', () => {
    expect(xOfStep(1000, curve, inTime)).toBe(140)
  })
})
