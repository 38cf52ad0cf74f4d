import { expect, test } from 'vitest'
import { isOtherNetwork, requestOf, unitsOf, DEFAULTS } from './playground'
import { readView, writeView } from '$lib/ui/urlState'

test('units are small whole numbers, in few layers', () => {
  expect(unitsOf(['4', '2'])).toEqual([4, 2])
  expect(unitsOf(['9', '0', 'x', '1.5', '3'])).toEqual([3])
  expect(unitsOf(Array<string>(9).fill('1'))).toHaveLength(6)
})

test('a change of what is trained makes another network, a change of the lesson does not', () => {
  const view = readView('', DEFAULTS)
  expect(isOtherNetwork(view, { ...view, noise: 0.1 })).toBe(true)
  expect(isOtherNetwork(view, { ...view, hidden: ['4', '2', '2'] })).toBe(true)
  expect(isOtherNetwork(view, { ...view, at: '100', hide: ['seed'] } as typeof view)).toBe(false)
})

test('a link keeps every control', () => {
  const view = readView('?data=spiral&features=x,sinx&hidden=8,6&noise=0.2&hide=seed,batch', DEFAULTS)
  expect(view).toMatchObject({ data: 'spiral', features: ['x', 'sinx'], hidden: ['8', '6'], noise: 0.2, hide: ['seed', 'batch'] })
  expect(readView(writeView(view, DEFAULTS), DEFAULTS)).toEqual(view)
})

test('the request has the parameters of the recipe', () => {
  const request = requestOf({ ...readView('?hidden=3', DEFAULTS) })
  expect(request).toMatchObject({ source: { name: 'playground' }, data: 'circle', max_steps: 5000 })
  expect(request.parameters).toMatchObject({ features: 'x,y', hidden: '3', learning_rate: 0.03, data_seed: 0 })
})
