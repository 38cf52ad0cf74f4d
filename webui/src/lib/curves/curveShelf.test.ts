import { expect, it } from 'vitest'
import type { RunCurve } from '$lib/api/search'
import { CurveShelf } from './curveShelf'

const every = () => true
const curve = (run: string, key: string, steps: number[]): RunCurve => ({ run, key, total: steps.length, steps, x: steps, values: steps.map(() => 1), ghosts: [] })

/** A shelf that holds steps 1 and 2 of `loss` and `acc` of one run. */
function filled(): CurveShelf {
  const shelf = new CurveShelf(1000)
  shelf.take(shelf.demand(['a'], ['loss', 'acc'], every)!, [curve('a', 'loss', [1, 2]), curve('a', 'acc', [1, 2])])
  return shelf
}

it('asks for what is missing, and once only for what is not there', () => {
  const shelf = filled()
  expect(shelf.demand(['a'], ['loss'], every)).toBeNull()
  const demand = shelf.demand(['a', 'gone'], ['loss'], every)!
  expect(demand.runs).toEqual(['gone'])
  shelf.take(demand, [])
  expect(shelf.demand(['a', 'gone'], ['loss'], every)).toBeNull()
})

it('asks for new points behind the last step that it holds', () => {
  const shelf = filled()
  shelf.noteNew('a')
  shelf.begin()
  const demand = shelf.demand(['a'], ['loss'], every)!
  expect(demand.after).toEqual({ a: { loss: 2 } })
  shelf.take(demand, [curve('a', 'loss', [3])])
  expect(shelf.get('a', 'loss')!.steps).toEqual([1, 2, 3])
})

it('reads the points that came while a curve was out of sight', () => {
  const shelf = filled()
  shelf.noteNew('a')
  shelf.begin()
  shelf.take(shelf.demand(['a'], ['loss'], every)!, [])
  expect(shelf.demand(['a'], ['loss', 'acc'], every)).toMatchObject({ keys: ['acc'], after: { a: { acc: 2 } } })
})

it('never takes the end of a curve for the whole', () => {
  const shelf = filled()
  shelf.noteNew('a')
  shelf.begin()
  const demand = shelf.demand(['a'], ['loss'], every)!
  shelf.forget('a')
  shelf.take(demand, [curve('a', 'loss', [3])])
  expect(shelf.get('a', 'loss')).toBeUndefined()
  expect(shelf.demand(['a'], ['loss'], every)!.after).toEqual({ a: {} })
})

it('reads points in the next round that came while an answer was under way', () => {
  const shelf = new CurveShelf(1000)
  const demand = shelf.demand(['a'], ['loss'], every)!
  shelf.noteNew('a')
  shelf.take(demand, [curve('a', 'loss', [1])])
  expect(shelf.demand(['a'], ['loss'], every)).toBeNull()
  shelf.begin()
  expect(shelf.demand(['a'], ['loss'], every)!.after).toEqual({ a: { loss: 1 } })
})

it('asks again for what a failed request would have brought', () => {
  const shelf = filled()
  shelf.noteNew('a')
  shelf.begin()
  shelf.fail(shelf.demand(['a'], ['loss'], every)!)
  shelf.begin()
  expect(shelf.demand(['a'], ['loss'], every)!.keys).toEqual(['loss'])
})

it('asks for no more than 1,000 curves and a million points at once', () => {
  const runs = Array.from({ length: 50 }, (_, index) => `r${index}`)
  const keys = Array.from({ length: 60 }, (_, index) => `k${index}`)
  const demand = new CurveShelf(2000).demand(runs, keys, every)!
  expect(demand.keys).toHaveLength(20)
  expect(demand.maxPoints).toBe(1000)
})

it('reads a curve anew when it has grown to twice its size', () => {
  const shelf = new CurveShelf(2)
  shelf.take(shelf.demand(['a'], ['loss'], every)!, [curve('a', 'loss', [1, 2, 3, 4, 5])])
  shelf.noteNew('a')
  shelf.begin()
  expect(shelf.demand(['a'], ['loss'], every)!.after).toEqual({ a: {} })
})
