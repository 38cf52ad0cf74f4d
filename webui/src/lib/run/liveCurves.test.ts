import { expect, it } from 'vitest'
import { readRunCurve, type Curve } from '$lib/api/curve'
import { LiveCurves, MAX_POINTS } from './liveCurves'

function curve(key: string, steps: number[]): Curve {
  return readRunCurve({ key, total: steps.length, steps, values: steps.map(() => 0), x: steps })
}

function shown(...keys: string[]): LiveCurves {
  const curves = new LiveCurves()
  const [demand] = curves.demands(curves.show(keys), false)
  curves.take(demand!, keys.map((key) => curve(key, [1, 2])))
  return curves
}

it('asks with one demand for the new points of all curves in sight', () => {
  const curves = shown('acc', 'loss')
  const demands = curves.demands(curves.noteNew(), false)
  expect(demands).toEqual([{ keys: ['acc', 'loss'], after: { acc: 2, loss: 2 } }])
  curves.take(demands[0]!, [curve('loss', [3])])
  expect(curves.known.get('loss')!.path.steps).toEqual([1, 2, 3])
  expect(curves.known.get('acc')!.path.steps).toEqual([1, 2])
})

it('does not read a curve out of sight until it comes into sight', () => {
  const curves = shown('acc', 'loss')
  curves.hide(['acc'])
  expect(curves.noteNew()).toEqual(['loss'])
  expect(curves.show(['acc'])).toEqual(['acc'])
  const [demand] = curves.demands(['acc'], false)
  expect(demand!.after).toEqual({ acc: 2 })
  curves.take(demand!, [])
  curves.hide(['acc'])
  expect(curves.show(['acc'])).toEqual([])
})

it('reads every curve anew after the history changed', () => {
  const curves = shown('acc', 'loss')
  curves.hide(['acc'])
  expect(curves.demands(curves.forget(), true)).toEqual([{ keys: ['loss'], after: {} }])
  expect(curves.show(['acc'])).toEqual(['acc'])
})

it('reads a curve anew when it has grown to twice its size', () => {
  const curves = new LiveCurves()
  curves.take({ keys: ['loss'], after: {} }, [curve('loss', Array.from({ length: 2 * MAX_POINTS + 1 }, (_, step) => step))])
  expect(curves.demands(['loss'], false)).toEqual([{ keys: ['loss'], after: {} }])
})

it('asks for no more than 50 metrics at once', () => {
  const keys = Array.from({ length: 120 }, (_, number) => `m${number}`)
  expect(new LiveCurves().demands(keys, false).map((demand) => demand.keys.length)).toEqual([50, 50, 20])
})

it('takes a metric that was not answered for one without points', () => {
  const curves = new LiveCurves()
  curves.take({ keys: ['loss'], after: {} }, [])
  expect(curves.known.get('loss')).toMatchObject({ total: 0, path: { steps: [] } })
  expect(curves.show(['loss'])).toEqual([])
})
