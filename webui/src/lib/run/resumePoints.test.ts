import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  resumeChoices, resumeOptions, LEARNING_RATE, stepLimitOf, maxStepsError, describeOutcome, describeOverrides, describeRate, rateIn, resumePointsOf, learningRateError, NO_OVERRIDES, resumeActions, type ResumePoint,
} from './resumePoints'
import type { Checkpoint, Command, Validation, Run } from '$lib/api/types'

const checkpoint = (id: string, step: number, more: Partial<Checkpoint> = {}) =>
  ({ id, step, value: step / 1000, state: 'durable', kind: 'best', is_best: false, is_pinned: false, ghost: false, ...more }) as Checkpoint
const snapshot = (id: string, step: number, is_best = false) => ({ id, step, size_bytes: 10, is_best })
const run = {
  state: 'running' as const, best_step: 300, best_value: 0.3, best_checkpoint: 'c',
  memory: { budget_bytes: 100, held_bytes: 20, snapshots: [snapshot('b', 200), snapshot('c', 300, true), snapshot('d', 250)] },
}
const stored = [checkpoint('a', 100), checkpoint('c', 300, { is_best: true }), checkpoint('gone', 50, { state: 'dropped' })]
const validations = [{ snapshot: 'b', value: 0.21, ghost: true }] as Validation[]
const keys = (points: readonly ResumePoint[]) => points.map((place) => place.key)

it.each([
  ['running', 'recipe', ['roll_back', 'fork']],
  ['leased', 'code', ['roll_back', 'fork']],
  ['queued', 'recipe', ['fork']],
  ['failed', 'recipe', ['resume', 'fork']],
  ['paused', 'recipe', ['resume', 'fork']],
  ['finished', 'external', ['fork']],
])('a run that is %s, trained by %s', (state, kind, verbs) => {
  expect(resumeActions({ state, spec: { source: { kind } } } as Run)).toEqual(verbs)
})

describe('resumePointsOf', () => {
  it('lists states in memory and on disk once each, the newest step first', () => {
    const points = resumePointsOf('roll_back', run, stored, validations)
    expect(points.map(({ key, inMemory, onDisk }) => [key, inMemory, onDisk])).toEqual([
      ['c', true, true],
      ['d', true, false],
      ['b', true, false],
      ['a', false, true],
    ])
  })

  it('names a state in memory alone by its step, because the tracker has no checkpoint of it', () => {
    const [, , b, a] = resumePointsOf('roll_back', run, stored, validations)
    expect(b).toMatchObject({ target: { step: 200 }, value: 0.21, ghost: true })
    expect(a).toMatchObject({ target: { checkpoint: 'a' }, value: 0.1 })
  })

  it.each(['fork', 'resume'] as const)('offers to %s only what is on disk', (verb) => {
    expect(keys(resumePointsOf(verb, run, stored, validations))).toEqual(['c', 'a'])
  })

  it('ignores the memory of a run that nobody trains', () => {
    expect(keys(resumePointsOf('roll_back', { ...run, state: 'queued' }, stored, validations))).toEqual(['c', 'a'])
  })
})

describe('resumeChoices', () => {
  const choices = (verb: 'roll_back' | 'fork' | 'resume', picked: string | null = null) =>
    resumeChoices(verb, run, resumePointsOf(verb, run, stored, validations), picked)

  it('begins with the default of the command, and lists no choice twice', () => {
    expect(keys(choices('roll_back'))).toEqual(['best', 'd', 'b', 'a'])
    expect(keys(choices('fork'))).toEqual(['best', 'a'])
    expect(keys(choices('resume'))).toEqual(['last', 'a'])
    const further = resumePointsOf('fork', run, [...stored, checkpoint('z', 400)], validations)
    expect(keys(resumeChoices('fork', run, further, null))).toEqual(['best', 'last', 'a'])
    expect(keys(resumeChoices('resume', run, further, null))).toEqual(['last', 'best', 'a'])
  })

  it('keeps a clicked checkpoint by its id if another becomes the best', () => {
    expect(keys(choices('roll_back', 'c'))).toEqual(['best', 'c', 'd', 'b', 'a'])
  })

  it('offers the best as soon as its validation arrives', () => {
    const [best, ...rest] = resumeChoices('roll_back', { ...run, memory: null, best_checkpoint: null }, [], null)
    expect(best).toMatchObject({ key: 'best', step: 300, value: 0.3, target: { to: 'best' } })
    expect(rest).toEqual([])
  })

  it('takes the last checkpoint from the living path, not from an abandoned branch', () => {
    const tail = checkpoint('tail', 900, { ghost: true })
    const points = resumePointsOf('resume', run, [...stored, tail], validations)
    expect(resumeChoices('resume', run, points, null)[0]).toMatchObject({ key: 'last', step: 300 })
  })

  it('offers no state if none is kept; an ended run may start over', () => {
    expect(resumeChoices('fork', { ...run, memory: null }, [], null)).toEqual([])
    expect(resumeChoices('resume', { ...run, memory: null }, [], null)).toMatchObject([{ key: 'start', step: 0, target: {} }])
  })
})

describe('overrides', () => {
  it('checks the learning rate with the pattern of the contract', () => {
    const document = JSON.parse(readFileSync('openapi.json', 'utf8')) as { components: { schemas: Record<string, { properties: Record<string, { anyOf: { pattern?: string }[] }> }> } }
    const { learning_rate } = document.components.schemas.Overrides!.properties
    expect(learning_rate!.anyOf.map((one) => one.pattern)).toContain(LEARNING_RATE.source)
  })

  it.each(['', ' 3e-5 ', '0.1x', '.5', '1', '2.5E+1x'])('%j is a learning rate', (text) => expect(learningRateError(text)).toBeNull())
  it.each(['0', '0x', '-1', 'fast', '0.1 x', '1e', '0,1', '$(id)'])('%j is no learning rate', (text) => expect(learningRateError(text)).not.toBeNull())

  it.each([
    ['', null],
    ['20 000', null],
    ['401', null],
    ['400', /goes on from step 400/],
    ['1e5', /whole number/],
    ['-3', /whole number/],
    ['99999999999999999999', /whole number/],
  ])('steps in all: %j', (text, fault) => {
    const said = maxStepsError(text, 400, { steps: 1000, reached: false })
    if (fault) expect(said).toMatch(fault)
    else expect(said).toBeNull()
  })

  it.each([
    ['roll_back', 400, null, false],
    ['fork', 1000, null, true],
    ['resume', 400, 'patience', false],
    ['resume', 400, 'max_steps', true],
  ] as const)('%s from step %d of a run that ended by %s: whether more steps are needed is %s', (verb, from, stop_reason, needed) => {
    const limit = stepLimitOf({ max_steps: null, stop_reason, spec: { max_steps: 1000 } }, verb, from)
    expect(limit).toEqual({ steps: 1000, reached: needed })
    expect(maxStepsError('', from, limit) !== null).toBe(needed)
    expect(maxStepsError('5000', from, limit)).toBeNull()
  })

  it('has no limit where none was set', () => {
    expect(stepLimitOf({ max_steps: null, stop_reason: 'max_steps', spec: { max_steps: null } }, 'resume', 5)).toEqual({ steps: null, reached: false })
  })

  it('sends one resume point, and no empty field', () => {
    const nothing = { to: null, step: null, checkpoint: null, learning_rate: null, max_steps: null, reset_patience: false }
    expect(resumeOptions({ to: 'best' }, NO_OVERRIDES)).toEqual({ ...nothing, to: 'best' })
    expect(resumeOptions({ step: 200 }, { rate: ' 0.1x', maxSteps: '20,000', reset: true })).toEqual({
      ...nothing, step: 200, learning_rate: '0.1x', max_steps: 20000, reset_patience: true,
    })
  })

  it('are described in words, or by an empty text without overrides', () => {
    expect(describeOverrides({ learning_rate: '0.1x', reset_patience: true })).toBe('learning rate 0.1x, patience reset')
    expect(describeOverrides({ reset_patience: false })).toBe('')
    expect(describeOverrides(null)).toBe('')
  })
})

describe('describeOutcome', () => {
  const done = { state: 'done' as const, requested_at: '2026-01-01T00:00:00Z', done_at: '2026-01-01T00:00:00.42Z', result: { source: 'memory' } }
  const said = (more: Partial<Command>) => describeOutcome({ ...done, ...more } as Command)

  it('says how long it took and where the state came from', () => {
    expect(said({})).toBe('done in 0.4 s, from memory')
    expect(said({ done_at: '2026-01-01T00:00:12.6Z', result: { source: 'disk' } })).toBe('done in 13 s, from disk')
    expect(said({ result: null })).toBe('done in 0.4 s')
    expect(said({ result: { source: '<b>' } })).toBe('done in 0.4 s')
  })

  it('shows no negative time of two clocks, and nothing before the command is done', () => {
    expect(said({ done_at: '2025-12-31T23:59:59Z' })).toBe('done, from memory')
    expect(said({ state: 'acknowledged', done_at: null })).toBe('')
  })
})

describe('the present learning rate', () => {
  const variable = (path: string, mean: number | null, more = {}) => ({ collection: 'optimizer' as const, path, shape: [], mean, ...more })

  it.each([
    ['of one optimizer', [variable('sgd/iteration', 900), variable('sgd/learning_rate', 5)], 5],
    ['of none', [variable('dense/kernel', 0.1, { collection: 'model', shape: [2, 2] })], null],
    ['of two optimizers', [variable('a/learning_rate', 1), variable('b/learning_rate', 2)], null],
    ['of a schedule', [variable('adam/iteration', 3)], null],
    ['of a layer with such a name', [variable('net/learning_rate', 1, { collection: 'model' })], null],
  ])('%s', (_, variables, rate) => expect(rateIn(variables as Parameters<typeof rateIn>[0])).toBe(rate))

  it.each([
    [null, 0.05, 'A number, or a multiple of the present rate.'],
    [0.001, 0.001, 'A number, or a multiple of the rate at this point, 0.001.'],
    [5, 0.05, 'A number, or a multiple of the rate at this point, 5. The run was given learning_rate=0.05; this is what its optimizer uses.'],
    [0.1, undefined, 'A number, or a multiple of the rate at this point, 0.1.'],
  ])('rate %s of a run with learning_rate=%s', (rate, parameter, words) => expect(describeRate(rate, parameter)).toBe(words))
})
