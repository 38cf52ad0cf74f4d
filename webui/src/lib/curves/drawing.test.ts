import { describe, expect, it } from 'vitest'
import { readCurve } from '$lib/api/curve'
import { chartDrawing, colorIndex, sharedRange, type ChartInputs } from './drawing'
import type { Annotations } from './annotations'

const curve = readCurve({
  key: 'val_loss', total: 4, returned: 4,
  pieces: [{ segment: 0, ghost: false, steps: [100, 200, 300, 400], values: [1, 0.5, 'NaN', 0.7], times: [1, 2, 3, 4] }],
})
const annotations: Annotations = {
  higherIsBetter: false,
  best: { step: 200, value: 0.5, restored: false }, patience: { from: 200, to: 1200 }, target: 0.49, stop: null,
  segmentStarts: [{ step: 100, from: 300, text: 'rolled back 300 → 100' }],
}
const inputs: ChartInputs = {
  curves: [curve], keys: ['loss', 'val_loss'], monitor: 'val_loss', dark: false, annotations, resumePoints: [],
  settings: { axis: 'step', origin: 0, weight: 0, log: false },
  colors: { band: '', best: '', stop: '', segment: '', resumePoint: '', surface: '' },
}

describe('chartDrawing', () => {
  it('keeps the best mark on the raw value at every smoothing', () => {
    const smoothed = chartDrawing({ ...inputs, settings: { ...inputs.settings, weight: 0.9 } })
    expect(smoothed.overlay.best).toMatchObject({ x: 200, y: 0.5 })
    expect(smoothed.lines.map((line) => line.alpha)).toEqual([0.3, 1])
  })

  it('ends its lines with the stop', () => {
    const stopped = chartDrawing({ ...inputs, annotations: { ...annotations, stop: { step: 400, text: 'x' } } })
    expect(stopped.overlay.lines.map((line) => line.tone)).toEqual(['segment', 'stop'])
  })

  it('marks values that are not finite', () => {
    expect(chartDrawing(inputs).overlay.nonFinite).toMatchObject([{ x: 300, value: NaN }])
  })

  it('marks a resume point at its value, or on the curve if it lacks a value', () => {
    const point = { target: { to: 'best' as const }, isBest: false, onDisk: true, ghost: false }
    const resumePoints = [
      { ...point, key: 'a', step: 100, value: 0.97, inMemory: true },
      { ...point, key: 'b', step: 210, value: null, inMemory: false },
      { ...point, key: 'c', step: 300, value: null, inMemory: false },
    ]
    expect(chartDrawing({ ...inputs, resumePoints }).overlay.resumePoints).toEqual([
      { x: 100, y: 0.97, key: 'a', solid: true },
      { x: 210, y: 0.5, key: 'b', solid: false },
    ])
  })

  it('draws no annotations on a panel without the monitored metric', () => {
    expect(chartDrawing({ ...inputs, annotations: null }).overlay).toMatchObject({ band: null, target: null, best: null, lines: [], resumePoints: [] })
  })
})

describe('sharedRange', () => {
  const rangeOf = (patience: Annotations['patience'], stop: Annotations['stop'] = null, segmentStarts: Annotations['segmentStarts'] = []) =>
    sharedRange([curve], 'val_loss', inputs.settings, { ...annotations, patience, stop, segmentStarts })

  it.each([
    ['a little ahead, not to the far end of patience', rangeOf({ from: 200, to: 1200 }), [100, 400 + 0.3 * 300]],
    ['to the end of patience where it is near', rangeOf({ from: 200, to: 420 }), [100, 420]],
    ['no further than the stop', rangeOf({ from: 200, to: 1200 }, { step: 400, text: 'x' }), [100, 400]],
    ['to the start of a fork, before its first point', rangeOf(null, null, [{ step: 50, from: null, text: '' }]), [50, 400]],
  ])('looks %s', (_, range, wanted) => expect(range).toEqual(wanted))

  it('knows nothing without points', () => {
    expect(sharedRange([], 'val_loss', inputs.settings, annotations)).toBeNull()
  })
})

it('colours training and validation alike in every panel', () => {
  expect(colorIndex(['loss', 'val_loss'], 'loss')).toBe(colorIndex(['accuracy', 'val_accuracy'], 'accuracy'))
  expect(colorIndex(['loss', 'val_loss'], 'val_loss')).toBe(colorIndex(['val_accuracy'], 'val_accuracy'))
  expect(colorIndex(['a', 'b'], 'a')).not.toBe(colorIndex(['a', 'b'], 'b'))
})
