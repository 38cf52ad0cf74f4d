/** A small network over the plane, as the playground draws it: trained by a worker, or as it begins. Pure. */
import { slices, unpack, type Values } from './arrays'
import type { BoundaryData } from '$lib/api/types'

export interface NetworkUnit {
  name: string
  bias: number | null
  weights: (number | null)[]
  /** The answer over the plane, row by row from the top, `side` by `side`. */
  grid: ArrayLike<number> | null
  side: number
}
export interface Network {
  low: number
  high: number
  /** The hidden layers, then the output. */
  layers: NetworkUnit[][]
  /** The whole network's answer over the plane. */
  plane: { values: ArrayLike<number>; side: number }
  /** Points: across, up, target. */
  points: ArrayLike<number>[]
  tests: ArrayLike<number>[] | null
}

export function networkOf(data: BoundaryData): Network {
  const layers = data.layers.map((layer) =>
    layer.map(({ name, bias, weights, grid }): NetworkUnit => ({ name, bias: bias ?? null, weights: weights ?? [], grid: grid ? unpack(grid) : null, side: grid?.shape[0] ?? 0 })),
  )
  const tests = data.tests ? slices(data.tests) : null
  return { low: data.low, high: data.high, layers, plane: { values: firstOutput(unpack(data.grid), data.grid.shape[2] ?? 1), side: data.grid.shape[0]! }, points: slices(data.points), tests }
}

function firstOutput(values: Values, outputs: number): Float32Array {
  return Float32Array.from({ length: values.length / outputs }, (_, index) => values[index * outputs]!)
}

export interface Link {
  layer: number
  from: number
  to: number
  weight: number
}

/** The weights as lines: layer 0 leads from the features to the first hidden layer. */
export function linksOf(layers: readonly NetworkUnit[][], features: number): Link[] {
  return layers.flatMap((layer, index) => {
    const sources = index === 0 ? features : layers[index - 1]!.length
    return layer.flatMap((unit, to) => unit.weights.slice(0, sources).map((weight, from) => ({ layer: index, from, to, weight: weight ?? 0 })))
  })
}

/** Thicker lines for larger weights, each still to be seen. */
export function lineWidth(weight: number, strongest: number): number {
  return Math.max(0.5, (5 * Math.abs(weight)) / Math.max(strongest, 1e-6))
}
