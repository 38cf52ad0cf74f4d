import { describe, expect, it } from 'vitest'
import type { ComparedMetric } from '$lib/api/types'
import { differenceTo, metricRows } from './metricRows'

const metric = (mode: 'min' | 'max' | null, ...values: (number | null)[]) =>
  ({ key: 'm', mode, cells: values.map((value) => value === null ? null : { best: value, best_step: 10, last: value + 1, last_step: 20 }) }) as ComparedMetric

describe('metrics side by side', () => {
  it('have the difference to the baseline and mark the best', () => {
    const [row] = metricRows([metric('min', 2, 1, null)], 'best', 0)
    expect(row!.cells).toEqual([
      { value: 2, step: 10, difference: null, isBest: false },
      { value: 1, step: 10, difference: { text: '▼ −1', tone: 'better' }, isBest: true },
      { value: null, step: null, difference: null, isBest: false },
    ])
  })
  it('show the last values as well', () => {
    expect(metricRows([metric('max', 2, 3)], 'last', 1)[0]!.cells.map(({ value, step }) => [value, step])).toEqual([[3, 20], [4, 20]])
  })
  it.each([
    [3, 1, 'max', '▲ +2', 'better'], [3, 1, 'min', '▲ +2', 'worse'], [0.1, 0.4, null, '▼ −0.3', 'none'], [1, 1, 'max', '= 0', 'none'],
  ] as const)('%d against %d where %s is better', (value, base, mode, text, tone) => expect(differenceTo(value, base, mode)).toEqual({ text, tone }))
  it('have no difference to what is no number', () => expect([differenceTo(1, NaN, 'max'), differenceTo(1, null, 'max')]).toEqual([null, null]))
})
