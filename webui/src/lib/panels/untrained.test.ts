import { describe, expect, it } from 'vitest'
import { DATA, FEATURES } from './playground'
import { lineWidth, linksOf } from './network'
import { FEATURE_OF, featureGrid, planarPoints, untrainedNetwork } from './untrained'

const SETTING = { data: 'circle', noise: 0, seed: 0, features: ['x', 'y2'], hidden: ['4', '2'], activation: 'tanh' }

describe('planarPoints', () => {
  it.each(DATA)('%s has points in the plane, of both colours', (data) => {
    const points = planarPoints(data, 0, 1)
    expect(points).toHaveLength(250)
    expect(points.every(([x, y, target]) => Math.abs(x) <= 8 && Math.abs(y) <= 8 && Math.abs(target) <= 1)).toBe(true)
    expect(points.some(([, , target]) => target > 0.3) && points.some(([, , target]) => target < -0.3)).toBe(true)
  })

  it('is blue within the circle, and where both signs are the same', () => {
    for (const [x, y, target] of planarPoints('circle', 0, 3)) expect(target).toBe(Math.hypot(x, y) < 2.5 ? 1 : -1)
    for (const [x, y, target] of planarPoints('xor', 0, 3)) expect(target).toBe(x * y >= 0 ? 1 : -1)
  })

  it('depends on the seed alone', () => {
    expect(planarPoints('gauss', 0.2, 5)).toEqual(planarPoints('gauss', 0.2, 5))
    expect(planarPoints('gauss', 0.2, 5)).not.toEqual(planarPoints('gauss', 0.2, 6))
  })
})

it('knows every feature, from -1 to 1 over the plane', () => {
  expect(Object.keys(FEATURE_OF)).toEqual(FEATURES)
  for (const name of FEATURES) expect(Math.max(...featureGrid(name).map(Math.abs))).toBeCloseTo(1)
  expect(featureGrid('x', 2)).toEqual([-1, 1, -1, 1])
  expect(featureGrid('y', 2)).toEqual([1, 1, -1, -1])
})

it('draws the network as it begins', () => {
  const network = untrainedNetwork(SETTING)
  expect(network.layers.map((layer) => layer.length)).toEqual([4, 2, 1])
  expect(network.layers[0]![0]!.weights).toHaveLength(2)
  expect(network.layers.flat().flatMap((unit) => unit.weights).every((weight) => Math.abs(weight!) <= 0.5)).toBe(true)
  expect(network.plane.values).toHaveLength(network.plane.side ** 2)
  expect(untrainedNetwork(SETTING)).toEqual(network)
  expect(untrainedNetwork({ ...SETTING, hidden: [] }).layers.map((layer) => layer.length)).toEqual([1])
})

it('has a line for each weight, as wide as the weight is large', () => {
  const { layers } = untrainedNetwork(SETTING)
  expect(linksOf(layers, 2)).toHaveLength(2 * 4 + 4 * 2 + 2)
  expect([lineWidth(0, 1), lineWidth(-1, 1), lineWidth(0.5, 1)]).toEqual([0.5, 5, 2.5])
})
