/** The network of the playground before a worker trains it: the same shapes of data, features and first weights, drawn by chance
 * in the page. A worker draws its own points and weights; what is shown here is of the same kind. Pure. */
import type { Network, NetworkUnit } from './network'
import { unitsOf, type Setting } from './playground'

type Random = () => number
type Point = [across: number, up: number, target: number]
const RADIUS = 5
const REACH = 6
const UNIT_SIDE = 20
const PLANE_SIDE = 48
const POINTS = 250

export const FEATURE_OF: Record<string, (x: number, y: number) => number> = {
  x: (x) => x, y: (_, y) => y, x2: (x) => x * x, y2: (_, y) => y * y, xy: (x, y) => x * y, sinx: (x) => Math.sin(x), siny: (_, y) => Math.sin(y),
}
const ACTIVATION_OF: Record<string, (value: number) => number> = {
  tanh: Math.tanh, relu: (value) => Math.max(0, value), sigmoid: (value) => 1 / (1 + Math.exp(-value)), linear: (value) => value,
}

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): Random {
  let state = (seed + 1) * 0x9e3779b9
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Points of a data set, as `worker/data/planar.py` makes them. */
export function planarPoints(data: string, noise: number, seed: number, count = POINTS): Point[] {
  const random = randomFrom(seed)
  const within = (half: number) => (2 * random() - 1) * half
  return Array.from({ length: count }, (_, index) => (SHAPES[data] ?? SHAPES.circle!)(index, count, noise, random, within))
}

type Shape = (index: number, count: number, noise: number, random: Random, within: (half: number) => number) => Point

const SHAPES: Record<string, Shape> = {
  circle: (index, count, noise, random, within) => {
    const radius = index < count / 2 ? (random() * RADIUS) / 2 : (0.7 + 0.3 * random()) * RADIUS
    const angle = 2 * Math.PI * random()
    const [x, y] = [radius * Math.sin(angle), radius * Math.cos(angle)]
    return [x, y, Math.hypot(x + noise * within(RADIUS), y + noise * within(RADIUS)) < RADIUS / 2 ? 1 : -1]
  },
  xor: (_, __, noise, ___, within) => {
    const apart = (value: number) => value + (value > 0 ? 0.3 : -0.3)
    const [x, y] = [apart(within(RADIUS)), apart(within(RADIUS))]
    return [x, y, (x + noise * within(RADIUS)) * (y + noise * within(RADIUS)) >= 0 ? 1 : -1]
  },
  gauss: (index, count, noise, random) => {
    const target = index < count / 2 ? 1 : -1
    const bell = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) * Math.sqrt(0.5 + noise * 7)
    return [2 * target + bell(), 2 * target + bell(), target]
  },
  spiral: (index, count, noise, _, within) => {
    const half = Math.ceil(count / 2)
    const along = (index % half) / half
    const turn = 1.75 * 2 * Math.PI * along + (index < half ? 0 : Math.PI)
    return [RADIUS * along * Math.sin(turn) + noise * within(1), RADIUS * along * Math.cos(turn) + noise * within(1), index < half ? 1 : -1]
  },
  plane: (_, __, noise, ___, within) => {
    const [x, y] = [within(REACH), within(REACH)]
    return [x, y, Math.max(-1, Math.min(1, (x + y + noise * (within(REACH) + within(REACH))) / 10))]
  },
  hills: (_, __, noise, ___, within) => {
    const [x, y] = [within(REACH), within(REACH)]
    const heights = [-4, 0, 4].flatMap((at, column) => [2.5, -2.5].map((up, row) => {
      const distance = Math.hypot(x + noise * within(REACH) - at, y + noise * within(REACH) - up)
      return ((column + row) % 2 ? -1 : 1) * Math.max(0, 1 - distance / 2)
    }))
    return [x, y, heights.reduce((most, height) => (Math.abs(height) > Math.abs(most) ? height : most), 0)]
  },
}

/** A feature over the plane, from -1 to 1. */
export function featureGrid(name: string, side = UNIT_SIDE): number[] {
  const values = overPlane(side, FEATURE_OF[name] ?? (() => 0))
  const most = Math.max(...values.map(Math.abs), 1e-6)
  return values.map((value) => value / most)
}

export function untrainedNetwork(setting: Pick<Setting, 'data' | 'noise' | 'seed' | 'features' | 'hidden' | 'activation'>): Network {
  const random = randomFrom(1000 + setting.seed)
  const act = ACTIVATION_OF[setting.activation] ?? Math.tanh
  const sizes = [...unitsOf(setting.hidden), 1]
  const layers: NetworkUnit[][] = []
  let [small, large] = [UNIT_SIDE, PLANE_SIDE].map((side) => setting.features.map((name) => overPlane(side, FEATURE_OF[name] ?? (() => 0))))
  sizes.forEach((size, index) => {
    const activation = index === sizes.length - 1 ? Math.tanh : act
    const units = Array.from({ length: size }, (_, unit) => {
      const weights = small!.map(() => random() - 0.5)
      return { name: index === sizes.length - 1 ? 'output' : `hidden${index + 1}/${unit}`, bias: 0.1, weights, grid: answer(small!, weights, activation, UNIT_SIDE), side: UNIT_SIDE }
    })
    large = units.map((unit) => answer(large!, unit.weights, activation, PLANE_SIDE))
    small = units.map((unit) => unit.grid)
    layers.push(units)
  })
  return { low: -REACH, high: REACH, layers, plane: { values: large![0]!, side: PLANE_SIDE }, points: planarPoints(setting.data, setting.noise, setting.seed), tests: planarPoints(setting.data, setting.noise, setting.seed + 7919) }
}

function overPlane(side: number, value: (x: number, y: number) => number): number[] {
  const at = (index: number) => -REACH + (2 * REACH * index) / (side - 1)
  return Array.from({ length: side * side }, (_, place) => value(at(place % side), -at(Math.floor(place / side))))
}

function answer(inputs: number[][], weights: number[], activation: (value: number) => number, side: number): number[] {
  return Array.from({ length: side * side }, (_, place) => activation(weights.reduce((sum, weight, index) => sum + weight * inputs[index]![place]!, 0.1)))
}
