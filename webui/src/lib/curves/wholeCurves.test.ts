import { expect, it } from 'vitest'
import type { WireCurve } from '$lib/api/curve'
import type { CurvesQuery, RunCurve } from '$lib/api/search'
import { MAX_ANSWER, readWholeBranches, readWholeCurves } from './wholeCurves'

/** A tracker that holds one point at each step, and answers with the two ends alone. */
function trackerWith(points: Record<string, number>) {
  const queries: CurvesQuery[] = []
  const read = async (query: CurvesQuery) => {
    queries.push(query)
    return { curves: query.runs.map((run) => answer(run, points[run]!, query)) }
  }
  return { queries, read }
}

function answer(run: string, points: number, { keys, range = [0, points - 1] }: CurvesQuery): RunCurve {
  const [from, to] = [range[0], Math.min(range[1], points - 1)]
  const steps = [from, to]
  return { run, key: keys[0]!, total: to - from + 1, steps, x: steps, values: steps, ghosts: [] }
}

it('reads short curves of many runs with one request, in double precision', async () => {
  const { queries, read } = trackerWith({ a: 10, b: 20 })
  const curves = await readWholeCurves(read, ['a', 'b'], ['loss'])
  expect(curves.map(({ run }) => run)).toEqual(['a', 'b'])
  expect(queries).toHaveLength(1)
  expect(queries[0]).toMatchObject({ precision: 'double', maxPoints: MAX_ANSWER / 2 })
})

it('reads a curve too long for one answer in parts, none thinned', async () => {
  const { queries, read } = trackerWith({ a: 3 * MAX_ANSWER, b: 20 })
  const curves = await readWholeCurves(read, ['a', 'b'], ['loss'])
  const parts = queries.filter(({ range }) => range && range[1] - range[0] < MAX_ANSWER)
  expect(parts.map(({ range }) => range![1] - range![0] + 1).reduce((sum, length) => sum + length)).toBe(3 * MAX_ANSWER)
  expect(curves[0]!.steps.at(0)).toBe(0)
  expect(curves[0]!.steps.at(-1)).toBe(3 * MAX_ANSWER - 1)
})

/** A run that went back from `ghost` steps to step 5, and has reached `path` since. */
function branchesOf(path: number, ghost: number) {
  const branch = (segment: number, last: number, [from, to]: [number, number]) => ({ segment, ghost: segment === 0, steps: [from, Math.min(to, last)], values: [0, 0], times: [0, 0] })
  return async ({ from = 0, to = Infinity }: Partial<{ from: number; to: number }>): Promise<WireCurve> => {
    const pieces = [branch(0, ghost, [from, to]), branch(1, path, [from, to])].filter(({ steps }) => steps[0]! <= steps[1]!)
    const total = pieces.reduce((sum, { steps }) => sum + steps[1]! - steps[0]! + 1, 0)
    return { key: 'loss', total, returned: 2, pieces }
  }
}

it('reads abandoned branches beyond the present step, behind the living path', async () => {
  const pieces = await readWholeBranches(branchesOf(7, 20))
  expect(pieces.map(({ ghost, steps }) => [ghost, steps.at(-1)])).toEqual([[false, 7], [true, 20]])
})

it('halves branches that are too long together', async () => {
  const pieces = await readWholeBranches(branchesOf(7, 2 * MAX_ANSWER))
  const points = pieces.reduce((sum, { steps }) => sum + steps[1]! - steps[0]! + 1, 0)
  expect(points).toBe(8 + 2 * MAX_ANSWER + 1)
  expect(pieces.filter(({ ghost }) => ghost).length).toBeGreaterThan(1)
})
