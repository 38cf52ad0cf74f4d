/** A run's curve as the API sends it: the merged path of the run and its abandoned branches. */
import { numberOf, type WireFloat } from './floats'

export interface WirePiece {
  segment: number
  ghost: boolean
  steps: readonly number[]
  values: readonly WireFloat[]
  times: readonly number[]
}
export interface WireCurve {
  key: string
  total: number
  returned: number
  pieces: readonly WirePiece[]
}

/** A curve as `POST /curves` sends it; `x` is the time. */
export interface WireRunCurve {
  key: string
  total: number
  steps: readonly number[]
  values: readonly WireFloat[]
  x?: readonly number[] | null
  ghosts?: readonly { segment: number; steps: readonly number[]; values: readonly WireFloat[]; x?: readonly number[] | null }[]
}

/** Points in order of step; values may be NaN or infinite. */
export interface Track {
  steps: number[]
  values: number[]
  times: number[]
}
export interface Curve {
  key: string
  total: number
  returned: number
  path: Track
  abandoned: Track[]
}

export function readCurve(wire: WireCurve): Curve {
  const path: Track = { steps: [], values: [], times: [] }
  const abandoned: Track[] = []
  for (const piece of wire.pieces) {
    const target = piece.ghost ? { steps: [], values: [], times: [] } : path
    append(target, piece)
    if (piece.ghost) abandoned.push(target)
  }
  return { key: wire.key, total: wire.total, returned: wire.returned, path, abandoned: abandoned.map((ghost) => attachToPath(ghost, path)) }
}

export function readRunCurve({ key, total, ghosts = [], ...path }: WireRunCurve): Curve {
  const pieces = [{ ...path, segment: 0, ghost: false }, ...ghosts.map((ghost) => ({ ...ghost, ghost: true }))]
  const returned = pieces.reduce((sum, piece) => sum + piece.steps.length, 0)
  return readCurve({ key, total, returned, pieces: pieces.map(({ x, ...piece }) => ({ ...piece, times: x ?? [] })) })
}

function append(track: Track, piece: WirePiece): void {
  for (let i = 0; i < piece.steps.length; i++) {
    track.steps.push(piece.steps[i]!)
    track.values.push(numberOf(piece.values[i]) ?? NaN)
    track.times.push(piece.times[i]!)
  }
}

/** An abandoned branch starts at the point of the path that it left, so the chart shows where it branched off. */
function attachToPath(ghost: Track, path: Track): Track {
  const first = ghost.steps[0]
  if (first === undefined) return ghost
  const at = path.steps.findLastIndex((step) => step < first)
  if (at < 0) return ghost
  return {
    steps: [path.steps[at]!, ...ghost.steps],
    values: [path.values[at]!, ...ghost.values],
    times: [Math.min(path.times[at]!, ghost.times[0]!), ...ghost.times],
  }
}

/** Appends newer points, which were read from the last known step on. */
export function extendCurve(curve: Curve, newer: Curve): Curve {
  const last = curve.path.steps.at(-1) ?? -1
  const start = newer.path.steps.findIndex((step) => step > last)
  if (start < 0) return { ...curve, total: Math.max(curve.total, newer.total) }
  const path = {
    steps: [...curve.path.steps, ...newer.path.steps.slice(start)],
    values: [...curve.path.values, ...newer.path.values.slice(start)],
    times: [...curve.path.times, ...newer.path.times.slice(start)],
  }
  const added = path.steps.length - curve.path.steps.length // `newer.total` counts from `from` on
  return { ...curve, path, total: Math.max(curve.total + added, newer.total), returned: path.steps.length }
}
