import { expect, it } from 'vitest'
import { axesOf, bestFirst, describeChoice, dimensionText, isOther, linesOf, pathOf, stepOf, topRung, valueOf, valueText } from './sweeps'
import type { Dimension, Sweep, SweepRun } from '$lib/api/types'

const space: Record<string, Dimension> = {
  rate: { kind: 'log_uniform', low: 1e-4, high: 1 },
  units: { kind: 'int', low: 0, high: 10, step: 5, log: false },
  layers: { kind: 'choices', values: [[64, 64], [32], '<b>'] },
}

const run = (number: number, best_value: number | null, parameters: Record<string, unknown> = { rate: 1e-2, units: 5, layers: [32] }) =>
  ({ number, run: `r${number}`, name: `r${number}`, state: 'finished', parameters, best_value, best_step: 1, step: 1, stop_reason: null }) as SweepRun
const sweep = (mode: string, best: string | null = null) => ({ space, monitor: 'val_accuracy', mode, best: best === null ? null : { run: best } }) as Sweep

it('puts each parameter on an axis of its own and the metric on the last', () => {
  const runs = [run(1, 0.5), run(2, 0.9, { rate: 1, units: 0, layers: '<b>' }), run(3, null)]
  const axes = axesOf(sweep('max'), runs)
  expect(axes.map((axis) => axis.name)).toEqual(['rate', 'units', 'layers', 'val_accuracy'])
  expect(axes[0]!.ticks.map((tick) => tick.text)).toEqual(['0.0001', '0.01', '1'])
  expect(axes[2]!.ticks.map((tick) => tick.text)).toEqual(['[64,64]', '[32]', '<b>'])
  const lines = linesOf(sweep('max', 'r2'), runs, axes)
  expect(lines.map((line) => line.run.number)).toEqual([3, 1, 2])
  expect(lines[1]!.positions).toEqual([0.5, 0.5, 0.5, 0])
  expect(lines[2]!).toMatchObject({ positions: [1, 0, 1, 1], rank: 1, isBest: true })
  expect(lines[0]!).toMatchObject({ rank: null, positions: [0.5, 0.5, 0.5, null] })
})

it('sorts numbers, in whatever order the sweep tried them', () => {
  const tried = { ...sweep('max'), space: { rate: { kind: 'choices', values: [0.01, 0.001, 0.1] } } } as unknown as Sweep
  const rate = axesOf(tried, [])[0]!
  expect(rate.ticks.map((tick) => tick.text)).toEqual(['0.001', '0.01', '0.1'])
  expect([0.001, 0.01, 0.1].map((value) => rate.positionOf(value))).toEqual([0, 0.5, 1])
})

it('ranks lower values higher for a loss', () => {
  const runs = [run(1, 0.5), run(2, 0.9)]
  const lines = linesOf(sweep('min', 'r1'), runs, axesOf(sweep('min'), runs))
  expect(lines.map((line) => [line.run.number, line.rank])).toEqual([[2, 0], [1, 1]])
  expect(bestFirst(sweep('min'), [run(3, null), ...runs]).map((one) => one.number)).toEqual([1, 2, 3])
  expect(bestFirst(sweep('max'), [run(3, null), ...runs]).map((one) => one.number)).toEqual([2, 1, 3])
})

it('compares runs by their selected model, else by their best', () => {
  const soup = { ...run(1, 0.5), selected_value: 0.95, selected_step: 7, validations: 1, averages_tried: 1 }
  const runs = [run(2, 0.9), soup, { ...run(3, 0.93), selected_value: 0.8, selected_step: 3 }, run(4, null)]
  expect(bestFirst(sweep('max'), runs).map((one) => one.number)).toEqual([1, 2, 3, 4])
  expect(bestFirst(sweep('min'), runs).map((one) => one.number)).toEqual([3, 2, 1, 4])
  const axes = axesOf(sweep('max', 'r1'), runs)
  expect(axes.at(-1)!.ticks.map((tick) => tick.text)).toEqual(['0.8', '0.875', '0.95'])
  expect(linesOf(sweep('max', 'r1'), runs, axes).map((line) => [line.run.number, line.rank === null ? null : Math.round(100 * line.rank)])).toEqual([[4, null], [3, 0], [2, 67], [1, 100]])
  expect(runs.map((one) => [valueOf(one), stepOf(one), isOther(one)])).toEqual([[0.9, 1, false], [0.95, 7, true], [0.8, 3, true], [null, 1, false]])
  expect(describeChoice([soup])).toBe('1 validation and 1 average of 1 run')
})

it('names the highest rung at which a run paused', () => {
  const mark = (rung: number) => ({ rung, step: 100 * rung, value: 0.5, promoted: true })
  expect([[], [mark(1)], [mark(1), mark(2)]].map((rungs) => topRung({ ...run(1, 0.5), rungs }))).toEqual([0, 1, 2])
  expect(topRung(run(1, 0.5))).toBe(0)
})

it('draws a single value in the middle, and a gap for unknown values', () => {
  expect(axesOf(sweep('max'), [run(1, 0.5)]).at(-1)!.positionOf(0.5)).toBe(0.5)
  expect(axesOf(sweep('max'), []).at(-1)!.positionOf(null)).toBe(null)
  expect(axesOf(sweep('max'), [])[0]!.positionOf(true)).toBe(null)
  const path = pathOf([0, null, 1, 0.5], (axis) => axis * 10, (place) => place * 100)
  expect(path).toBe('M0.0,0.0M20.0,100.0L30.0,50.0')
})

it.each([
  [space.rate!, 'log(0.0001, 1)'],
  [space.units!, 'int(0, 10, step=5)'],
  [space.layers!, '[64,64], [32], <b>'],
  [{ kind: 'uniform', low: 0, high: 0.5 }, 'uniform(0, 0.5)'],
  [{ kind: 'int', low: 1, high: 9, step: 1, log: true }, 'int(1, 9, log)'],
] as [Dimension, string][])('%o is written as on the command line', (dimension, text) => expect(dimensionText(dimension)).toBe(text))

it.each([[0.123456, '0.1235'], ['same', 'same'], [true, 'true'], [null, 'null'], [undefined, '–']])('%s is shown as %s', (value, text) => {
  expect(valueText(value)).toBe(text)
})
