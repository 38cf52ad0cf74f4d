import { describe, expect, it } from 'vitest'
import { extendCurve, readCurve, readRunCurve, type WireCurve } from './curve'

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

describe('readCurve', () => {
  it('joins the path, and an abandoned branch to the point where it left the path', () => {
    const curve = readCurve(rolledBack)
    expect(curve.path.steps).toEqual([100, 200, 300, 400, 500])
    expect(curve.abandoned).toHaveLength(1)
    expect(curve.abandoned[0]!.steps).toEqual([200, 300, 400])
    expect(curve.abandoned[0]!.values).toEqual([0.5, 0.9, NaN])
  })
})

describe('readRunCurve', () => {
  it('reads what one piece at a time says', () => {
    const [alive, ghost, tail] = rolledBack.pieces
    const steps = [...alive!.steps, ...tail!.steps]
    const values = [...alive!.values, ...tail!.values]
    const x = [...alive!.times, ...tail!.times]
    const together = readRunCurve({ key: 'val_loss', total: 7, steps, values, x, ghosts: [{ segment: 0, steps: ghost!.steps, values: ghost!.values, x: ghost!.times }] })
    expect(together).toEqual(readCurve(rolledBack))
  })
})

describe('extendCurve', () => {
  it('adds new points only', () => {
    const curve = readCurve(rolledBack)
    const newer = readCurve({ key: 'val_loss', total: 8, returned: 2, pieces: [{ segment: 1, ghost: false, steps: [500, 600], values: [0.3, 0.2], times: [70, 80] }] })
    const longer = extendCurve(curve, newer)
    expect(longer.path.steps).toEqual([100, 200, 300, 400, 500, 600])
    expect(longer.abandoned).toBe(curve.abandoned)
    expect(extendCurve(longer, newer).path.steps).toHaveLength(6)
  })

  it('never shows more points than there are: "120 of 108 points"', () => {
    const newer = readCurve({ key: 'val_loss', total: 2, returned: 2, pieces: [{ segment: 1, ghost: false, steps: [500, 600], values: [0.3, 0.2], times: [70, 80] }] })
    expect(extendCurve(readCurve(rolledBack), newer).total).toBe(8)
  })
})
