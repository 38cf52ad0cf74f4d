import { describe, expect, it } from 'vitest'
import type { RunCurve } from '$lib/api/search'
import { comparisonDrawing, readingsAt } from './curveOverlay'

const curve = (run: string, x: number[], values: number[]): RunCurve => ({ run, key: 'loss', total: x.length, steps: x, x, values, ghosts: [] })
const curves = [curve('a', [1, 2, 3], [3, 2, NaN]), curve('b', [2, 4], [1, -1])]
const draw = (more = {}) =>
  comparisonDrawing({ curves, colorOf: (run) => ({ color: run, dash: [] }), chosen: null, weight: 0, log: false, colors: {} as never, ...more })

describe('an overlay', () => {
  it('aligns the runs over every x and marks what is not finite', () => {
    expect(draw()).toMatchObject({ x: [1, 2, 3, 4], columns: [[3, 2, null, undefined], [undefined, 1, undefined, -1]] })
    expect(draw().overlay.nonFinite).toEqual([{ x: 3, value: NaN, color: 'a' }])
  })
  it('draws raw lines faint behind smoothed ones', () => {
    expect(draw({ weight: 0.5 }).lines.map(({ color, alpha }) => [color, alpha])).toEqual([['a', 0.3], ['b', 0.3], ['a', 1], ['b', 1]])
  })
  it('dims the others where one is chosen', () => {
    expect(draw({ chosen: 'b' }).lines.map(({ alpha, width }) => [alpha, width])).toEqual([[0.25, 1.5], [1, 2.5]])
  })
  it('leaves out what a log axis cannot show', () => expect(draw({ log: true }).columns[1]).toEqual([undefined, 1, undefined, null]))
})

describe('readings', () => {
  it('rank the runs by the direction of the metric', () => {
    const at = (x: number | null, mode: 'min' | 'max' | null) => readingsAt(curves, x, mode).map(({ run, value }) => [run, value])
    expect(at(2, 'min')).toEqual([['b', 1], ['a', 2]])
    expect(at(2, 'max')).toEqual([['a', 2], ['b', 1]])
    expect(at(null, 'max')).toEqual([['b', -1], ['a', NaN]])
  })
})
