/** Reads every point of curves, however many: the tracker answers with a limited number at once, and thins what is more. */
import type { WireCurve, WirePiece } from '$lib/api/curve'
import type { CurvesQuery, RunCurve } from '$lib/api/search'

/** Points of one answer, as the tracker limits them. */
export const MAX_ANSWER = 1_000_000

type Read = (query: CurvesQuery) => Promise<{ curves: RunCurve[] }>
type Range = readonly [number, number]

/** Reads each metric of each run, every number with all its digits. */
export async function readWholeCurves(read: Read, runs: readonly string[], keys: readonly string[], x = 'step'): Promise<RunCurve[]> {
  const whole: RunCurve[] = []
  for (const key of keys) {
    const maxPoints = Math.floor(MAX_ANSWER / runs.length)
    const query = { runs, keys: [key], x, maxPoints, precision: 'double' as const }
    for (const curve of (await read(query)).curves) {
      whole.push(curve.total <= maxPoints ? curve : await readAlone(read, curve, x))
    }
  }
  return whole
}

async function readAlone(read: Read, { run, key, steps }: RunCurve, x: string): Promise<RunCurve> {
  const query = { runs: [run], keys: [key], x, maxPoints: MAX_ANSWER, precision: 'double' as const }
  const parts = await readByHalves(async (range) => (await read({ ...query, range })).curves[0], rangeOf(steps))
  const all = <T,>(of: (part: RunCurve) => T[]) => parts.flatMap(of)
  return { ...parts[0]!, total: parts.reduce((sum, part) => sum + part.steps.length, 0), steps: all(({ steps: own }) => own), x: all(({ x: own }) => own), values: all(({ values }) => values) }
}

/** Reads every point of one metric of a run: the living path first, then each abandoned branch. */
export async function readWholeBranches(read: (range: Partial<{ from: number; to: number }>) => Promise<WireCurve>): Promise<WirePiece[]> {
  const whole = await read({})
  const steps = whole.pieces.flatMap((piece) => [piece.steps[0]!, piece.steps.at(-1)!])
  const parts = whole.total <= MAX_ANSWER ? [whole] : await readByHalves(([from, to]) => read({ from, to }), rangeOf(steps.sort((a, b) => a - b)))
  return parts.flatMap(({ pieces }) => pieces).sort((a, b) => Number(a.ghost) - Number(b.ghost) || a.segment - b.segment)
}

function rangeOf(ordered: readonly number[]): Range {
  return [ordered[0]!, ordered.at(-1)!]
}

/** Reads a range of steps in as many parts as it takes for none to be thinned. */
async function readByHalves<T extends { total: number }>(read: (range: Range) => Promise<T | undefined>, [from, to]: Range): Promise<T[]> {
  const part = await read([from, to])
  if (part === undefined) return []
  if (part.total <= MAX_ANSWER || from >= to) return [part]
  const middle = Math.floor((from + to) / 2)
  return [...(await readByHalves(read, [from, middle])), ...(await readByHalves(read, [middle + 1, to]))]
}
