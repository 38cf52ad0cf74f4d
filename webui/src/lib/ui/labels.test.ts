import { expect, it } from 'vitest'
import { failedAttempts, patienceLabel, reasonLabel, runTitle, noOutputMessage, stateLabel } from './labels'

it('shows unknown words unchanged', () => {
  expect(stateLabel('evicted').label).toBe('evicted')
  expect(stateLabel('constructor').tone).toBe('idle')
  expect(reasonLabel('solar_flare')).toBe('solar flare')
  expect(reasonLabel(null)).toBe('')
})

it.each([
  [1, 'checks', '1 check'],
  [0, 'steps', '0 steps'],
  [7, null, '7 checks'],
  [5000, 'steps', '5,000 steps'],
])('%d %s left', (left, unit, words) => expect(patienceLabel(left, unit)).toBe(words))

it.each([
  [0, 'recipe', '0 of 3'],
  [2, 'command', '2 of 3'],
  [1, 'external', '1'],
])('%d failed attempts of a %s', (failed_attempts, kind, words) =>
  expect(failedAttempts({ failed_attempts, spec: { max_attempts: 3, source: { kind } } })).toBe(words))

it.each([
  ['external', 'finished', 'capture=True'],
  ['recipe', 'finished', 'The run printed nothing.'],
  ['command', 'running', 'yet'],
])('no output of a %s that is %s', (kind, state, words) => expect(noOutputMessage({ state, spec: { source: { kind } } })).toContain(words))

it('titles a tab with the state of its run', () => {
  expect(runTitle({ state: 'running', name: 'cnn' }, '0.97', 2300)).toBe('▶ 0.97 @2,300 · cnn')
  expect(runTitle({ state: 'queued', name: 'cnn' }, '–', null)).toBe('… · cnn')
})
