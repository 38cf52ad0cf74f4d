import { describe, expect, it } from 'vitest'
import { annotationsOf, patienceSentence, abandonedBranchEnds, replayAnnotations, type AnnotatedRun } from './annotations'
import type { Validation, ReplayOutcome } from '$lib/api/types'

const run: AnnotatedRun = {
  state: 'running', mode: 'max', best_step: 300, best_value: 0.9, step: 620, last_validation_step: 600, wait: 3, patience_left: 7,
  patience_unit: 'checks',
  spec: { source: { kind: 'recipe' }, validate_every: 100, stopper: { name: 'any_of', policies: [{ name: 'patience', params: { checks: 10, min_delta: 0.01 } }] } },
}
const none = new Map<number, number>()

describe('annotationsOf', () => {
  it('turns patience in checks into steps', () => {
    expect(annotationsOf(run, [], none, '').patience).toEqual({ from: 300, to: 1300 })
  })

  it('ends the patience band where the run ends', () => {
    expect(annotationsOf({ ...run, spec: { ...run.spec, max_steps: 1200 } }, [], none, '').patience).toEqual({ from: 300, to: 1200 })
    expect(annotationsOf({ ...run, max_steps: 700, spec: { ...run.spec, max_steps: 1200 } }, [], none, '').patience).toEqual({ from: 300, to: 700 })
  })

  it('takes patience in steps unchanged', () => {
    const inSteps = { ...run, patience_unit: 'steps', wait: 300, patience_left: 700 }
    expect(annotationsOf(inSteps, [], none, '').patience).toEqual({ from: 300, to: 1300 })
  })

  it('shows how long the run has waited, and where patience ends', () => {
    expect(patienceSentence(run)).toBe('3 of 10 checks without improvement; patience ends at step 1,300')
    expect(patienceSentence({ ...run, state: 'finished' })).toBe('3 of 10 checks without improvement when the run ended')
    expect(patienceSentence({ ...run, last_validation_step: null })).toBe('3 of 10 checks without improvement')
    const limited = { ...run, spec: { ...run.spec, max_steps: 1200 } }
    expect(patienceSentence(limited)).toBe('3 of 10 checks without improvement; the run ends at step 1,200, before its patience')
    expect(patienceSentence({ ...limited, max_steps: 1300 })).toContain('patience ends at step 1,300')
    expect(patienceSentence({ ...run, wait: null, patience_left: null })).toBeNull()
  })

  it('gives the value that the next validation must beat', () => {
    expect(annotationsOf(run, [], none, '').target).toBeCloseTo(0.91)
    expect(annotationsOf({ ...run, mode: 'min' }, [], none, '').target).toBeCloseTo(0.89)
  })

  it('has no stop and no restored best while the run is active', () => {
    expect(annotationsOf(run, [], none, 'x').stop).toBeNull()
    expect(annotationsOf(run, [], none, 'x').best?.restored).toBe(false)
  })

  it('marks the end with its reason', () => {
    const ended = annotationsOf({ ...run, state: 'finished', stop_reason: 'patience' }, [], none, 'no improvement')
    expect(ended.stop).toEqual({ step: 620, text: 'no improvement' })
    expect(ended.best?.restored).toBe(true)
    const ofScript = { ...run, state: 'finished', spec: { ...run.spec, source: { kind: 'external' } } }
    expect(annotationsOf(ofScript, [], none, '').best?.restored).toBe(false)
  })

  it('marks where each segment begins and which segment it left', () => {
    const starts = [
      { number: 0, reason: 'start', start_step: 0 },
      { number: 1, reason: 'roll_back', start_step: 300 },
      { number: 2, reason: 'resume', start_step: 400 },
    ]
    expect(annotationsOf(run, starts, new Map([[1, 550]]), '').segmentStarts.map((start) => start.text)).toEqual([
      'rolled back 550 → 300',
      'resumed at 400',
    ])
  })

  it('names the overrides of a segment', () => {
    const starts = [
      { number: 0, reason: 'fork', start_step: 300, overrides: { learning_rate: '3e-5', reset_patience: false } },
      { number: 1, reason: 'roll_back', start_step: 400, overrides: { learning_rate: '0.1x', max_steps: 20000, reset_patience: true } },
    ]
    expect(annotationsOf(run, starts, none, '').segmentStarts.map((start) => start.text)).toEqual([
      'forked at 300, learning rate 3e-5',
      'rolled back at 400, learning rate 0.1x, up to 20,000 steps, patience reset',
    ])
  })

  it('draws nothing before the first validation', () => {
    const young = { ...run, best_step: null, best_value: null, wait: null, patience_left: null, last_validation_step: null }
    expect(annotationsOf(young, [], none, '')).toEqual({ higherIsBetter: true, best: null, patience: null, target: null, stop: null, segmentStarts: [] })
  })
})

it('knows where an abandoned branch ends', () => {
  const validation = (segment: number, step: number, ghost: boolean) => ({ segment, step, ghost }) as Validation
  const segments = [{ number: 0, parent: null }, { number: 1, parent: 0 }]
  expect(abandonedBranchEnds(segments, [validation(0, 300, false), validation(0, 550, true), validation(1, 400, false)])).toEqual(new Map([[1, 550]]))
})

it('marks where a replayed policy stops, what it keeps and where the run ended', () => {
  const stopped: ReplayOutcome = {
    status: 'stopped', message: '', stop_step: 2101, reason: 'patience', best_step: 1900, best_value: 0.98, steps_saved: 3700, share_saved: 0.638,
    seconds_saved: 61, value_lost: 0.007, examples_lost: 35, standard_errors_lost: 4.55, regret: 0.007, has_checkpoint: false, nearest_checkpoint: 4800,
  }
  const annotations = replayAnnotations(stopped, 'max', { step: 5801, text: 'the run' })
  expect(annotations.stop).toEqual({ step: 2101, text: 'patience ran out' })
  expect(annotations.patience).toEqual({ from: 1900, to: 2101 })
  expect(annotations.best).toEqual({ step: 1900, value: 0.98, restored: false })
  expect(annotations.segmentStarts).toEqual([{ step: 5801, from: null, text: 'the run' }])
})
