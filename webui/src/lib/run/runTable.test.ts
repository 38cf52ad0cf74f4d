import { describe, expect, it } from 'vitest'
import { filterAndSort, savedShare, trainingSeconds } from './runTable'
import type { Run } from '$lib/api/types'

export function makeRun(number: number, more: Partial<Run> = {}): Run {
  const spec = { parameters: { learning_rate: 0.001 }, source: { kind: 'recipe', name: 'hvass-cnn' }, data: 'digits', max_steps: 1000 }
  return { id: `run${number}`, number, name: `run-${number}`, state: 'finished', mode: 'max', tags: [], spec, ...more } as unknown as Run
}
const by = (more: object) => ({ q: '', group: 'all', sort: 'number', down: true, ...more })
const numbers = (runs: Run[]) => runs.map((run) => run.number)

describe('filterAndSort', () => {
  const runs = [
    makeRun(1, { best_value: 0.9, tags: ['Keep'] }),
    makeRun(2, { best_value: 'NaN' as never, state: 'failed' }),
    makeRun(3, { best_value: null, state: 'running' }),
    makeRun(4, { best_value: 0.95, state: 'queued' }),
  ]

  it('sorts either way with what has no number last', () => {
    expect(numbers(filterAndSort(runs, by({ sort: 'best' })))).toEqual([4, 1, 3, 2])
    expect(numbers(filterAndSort(runs, by({ sort: 'best', down: false })))).toEqual([1, 4, 3, 2])
  })

  it('finds by name, tag, number, recipe and parameter; every word must fit', () => {
    expect(numbers(filterAndSort(runs, by({ q: 'keep' })))).toEqual([1])
    expect(numbers(filterAndSort(runs, by({ q: '#4' })))).toEqual([4])
    expect(filterAndSort(runs, by({ q: 'hvass LEARNING_RATE=0.001' }))).toHaveLength(4)
    expect(filterAndSort(runs, by({ q: 'keep #4' }))).toHaveLength(0)
  })

  it('groups what still lives', () => {
    expect(numbers(filterAndSort(runs, by({ group: 'active' })))).toEqual([4, 3])
    expect(numbers(filterAndSort(runs, by({ group: 'failed' })))).toEqual([2])
  })

  it('falls back to the number for a column it does not know', () => {
    expect(numbers(filterAndSort(runs, by({ sort: 'constructor' })))).toEqual([4, 3, 2, 1])
  })
})

it('says which share of the steps early stopping saved', () => {
  expect(savedShare(makeRun(1, { step: 240 }))).toBeCloseTo(0.76)
  expect(savedShare(makeRun(1, { step: 1000 }))).toBeNull()
  expect(savedShare(makeRun(1, { step: 10, state: 'failed' }))).toBeNull()
})

it('counts seconds up to the end, or to now', () => {
  const started_at = '2026-01-01T00:00:00Z'
  const start = Date.parse(started_at) / 1000
  expect(trainingSeconds(makeRun(1, { started_at, ended_at: '2026-01-01T00:01:30Z' }))).toBe(90)
  expect(trainingSeconds(makeRun(1, { started_at }), start + 5)).toBe(5)
  expect(trainingSeconds(makeRun(1), 1)).toBeNull()
})
