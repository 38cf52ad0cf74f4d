import { describe, expect, it } from 'vitest'
import type { ComparedMetric } from '$lib/api/types'
import { metricRows } from './metricRows'

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
})
