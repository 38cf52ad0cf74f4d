import { expect, it } from 'vitest'
import { readRunCurve, type Curve } from '$lib/api/curve'
import { LiveCurves, MAX_POINTS } from './liveCurves'

function curve(key: string, steps: number[]): Curve {
  return readRunCurve({ key, total: steps.length, steps, values: steps.map(() => 0), x: steps })
}

function shown(...keys: string[]): LiveCurves {
  const curves = new LiveCurves()
  const [demand] = curves.demands(curves.show(keys))
  curves.take(demand!, keys.map((key) => curve(key, [1, 2])))
  return curves
}

it('asks with one demand for the new points of all curves in sight', () => {
  const curves = shown('acc', 'loss')
  const demands = curves.demands(curves.noteNew())
  expect(demands).toMatchObject([{ keys: ['acc', 'loss'], after: { acc: 2, loss: 2 } }])
  curves.take(demands[0]!, [curve('loss', [3])])
  expect(curves.known.get('loss')!.path.steps).toEqual([1, 2, 3])
  expect(curves.known.get('acc')!.path.steps).toEqual([1, 2])
})

it('does not read a curve out of sight until it comes into sight', () => {
  const curves = shown('acc', 'loss')
  curves.hide(['acc'])
  expect(curves.noteNew()).toEqual(['loss'])
  expect(curves.show(['acc'])).toEqual(['acc'])
  const [demand] = curves.demands(['acc'])
  expect(demand!.after).toEqual({ acc: 2 })
  curves.take(demand!, [])
  curves.hide(['acc'])
  expect(curves.show(['acc'])).toEqual([])
})

it('reads every curve anew after the history changed', () => {
  const curves = shown('acc', 'loss')
  curves.hide(['acc'])
  expect(curves.demands(curves.forget())).toMatchObject([{ keys: ['loss'], after: {} }])
  expect(curves.show(['acc'])).toEqual(['acc'])
})

it('reads a curve anew when it has grown to twice its size', () => {
  const curves = new LiveCurves()
  curves.take(curves.demands(['loss'])[0]!, [curve('loss', Array.from({ length: 2 * MAX_POINTS + 1 }, (_, step) => step))])
  expect(curves.demands(['loss'])).toMatchObject([{ keys: ['loss'], after: {} }])
})

it('asks for no more than 50 metrics at once', () => {
  const keys = Array.from({ length: 120 }, (_, number) => `m${number}`)
  expect(new LiveCurves().demands(keys).map((demand) => demand.keys.length)).toEqual([50, 50, 20])
})

it('takes a metric that was not answered for one without points', () => {
  const curves = new LiveCurves()
  curves.take(curves.demands(['loss'])[0]!, [])
  expect(curves.known.get('loss')).toMatchObject({ total: 0, path: { steps: [] } })
  expect(curves.show(['loss'])).toEqual([])
})

it('drops an answer from before the history changed', () => {
  const curves = shown('loss')
  const [late] = curves.demands(curves.noteNew())
  const [fresh] = curves.demands(curves.forget())
  expect(fresh!.after).toEqual({})
  curves.take(late!, [curve('loss', [3])])
  expect(curves.demands(['loss'])[0]!.after).toEqual({})
  curves.take(fresh!, [curve('loss', [1])])
  expect(curves.known.get('loss')!.path.steps).toEqual([1])
})

it('keeps the longer of two answers, whichever comes last', () => {
  const curves = new LiveCurves()
  const [early, late] = [curves.demands(['loss'])[0]!, curves.demands(['loss'])[0]!]
  curves.take(late, [curve('loss', [1, 2, 3])])
  curves.take(early, [curve('loss', [1, 2])])
  expect(curves.known.get('loss')!.path.steps).toEqual([1, 2, 3])
})

it('reads a curve again that got points while its answer was under way', () => {
  const curves = shown('acc', 'loss')
  const [demand] = curves.demands(['acc'])
  curves.hide(['acc'])
  curves.noteNew()
  curves.take(demand!, [])
  expect(curves.show(['acc'])).toEqual(['acc'])
})
