import { expect, it } from 'vitest'
import { applyEvent } from './applyEvent'
import type { Run } from '$lib/api/types'

const run = { id: 'a', state: 'running', step: 1 } as unknown as Run
const event = (kind: string, data: Record<string, unknown>) => ({ kind, data, at: '2026-01-01T00:00:00Z' })

it('takes over the fields of the run', () => {
  expect(applyEvent(run, event('run.progress', { step: 5 }))).toMatchObject({ step: 5, heard_at: '2026-01-01T00:00:00Z' })
})

it('does not take a checkpoint\'s id and state for the run\'s', () => {
  expect(applyEvent(run, event('run.checkpoint', { id: 'c', state: 'durable', step: 9 }))).toMatchObject(run)
})

it('adds the parameters that a script says later', () => {
  const begun = { ...run, spec: { monitor: 'val_loss', parameters: { units: 64 } } } as unknown as Run
  const said = applyEvent(begun, event('run.progress', { parameters: { lr: '0.1' } }))
  expect(said.spec).toEqual({ monitor: 'val_loss', parameters: { units: 64, lr: '0.1' } })
  expect(said).not.toHaveProperty('parameters')
})
