import { describe, expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { asSearched } from './searchedRuns'

const run = (id: string, value: number | null, mode = 'min') =>
  ({ id, number: 1, name: id, state: 'finished', mode, best_value: value, best_step: 5, spec: { monitor: 'val_loss', parameters: { lr: 0.1 } } }) as unknown as Run

describe('any runs as those of a sweep', () => {
  it('have a best by the direction of their metric', () => {
    const { sweep, runs } = asSearched({ runs: [run('a', 0.5), run('b', 0.25), run('c', null)], space: {} })
    expect([sweep.monitor, sweep.mode, sweep.best?.run]).toEqual(['val_loss', 'min', 'b'])
    expect(runs.map((one) => one.parameters.lr)).toEqual([0.1, 0.1, 0.1])
  })
  it('may have no best', () => expect(asSearched({ runs: [run('a', null)], space: {} }).sweep.best).toBeNull())
})
