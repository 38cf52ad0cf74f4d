import { expect, it } from 'vitest'
import { savedShare, trainingSeconds } from './runTable'
import type { Run } from '$lib/api/types'

export function makeRun(number: number, more: Partial<Run> = {}): Run {
  const spec = { parameters: { learning_rate: 0.001 }, source: { kind: 'recipe', name: 'hvass-cnn' }, data: 'digits', max_steps: 1000 }
  return { id: `run${number}`, number, name: `run-${number}`, state: 'finished', mode: 'max', tags: [], spec, ...more } as unknown as Run
}
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
