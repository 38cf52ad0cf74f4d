import { describe, expect, it } from 'vitest'
import type { Run, RunPage } from '$lib/api/types'
import { bestQuery, readBest } from './projectBest'

const newest = (monitor: string, mode: string) => ({ project: 'digits', mode, spec: { monitor } }) as unknown as Run
const page = (...runs: object[]) => ({ runs }) as unknown as RunPage

describe('the best run of a project', () => {
  it.each([
    ['val_accuracy', 'max', 'metrics.val_accuracy', 'desc'],
    ['val loss', 'min', 'metrics.`val loss`', 'asc'],
  ])('is asked for by %s', (monitor, mode, sort, order) =>
    expect(bestQuery(newest(monitor, mode))).toEqual({ project: 'digits', sort, order, columns: `${sort},${sort}.step`, limit: 1 }))

  it('has its value and its step', () => {
    const run = { id: 'r', values: { 'metrics.val_loss': 0.25, 'metrics.val_loss.step': 300 } }
    expect(readBest(newest('val_loss', 'min'), page(run))).toEqual({ run, monitor: 'val_loss', value: 0.25, step: 300 })
  })
  it.each([['without a value', page({ id: 'r', values: {} })], ['without a run', page()]])('is missing %s', (_, answer) =>
    expect(readBest(newest('val_loss', 'min'), answer)).toBeNull())
})
