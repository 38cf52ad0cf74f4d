import { expect, it } from 'vitest'
import type { CurvesQuery, RunCurve } from '$lib/api/search'
import { MAX_ANSWER, readWholeCurves } from './wholeCurves'

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
