import { describe, expect, it } from 'vitest'
import type { Replay, Run } from '$lib/api/types'
import { ownPolicies, stopRows } from './stops'

const run = (id: string, checks: number) => ({ id, spec: { stopper: { name: 'patience', params: { checks } } } }) as unknown as Run
const runs = [run('a', 3), run('b', 5), run('c', 3)]
const outcome = (status: string, stop_step: number | null = null, steps_saved: number | null = null) =>
  ({ status, stop_step, steps_saved, share_saved: null, seconds_saved: null, value_lost: 0 })
const replay = {
  runs: [{ id: 'b' }, { id: 'a' }],
  policies: [{ outcomes: [outcome('stopped', 1200, 300), outcome('stopped', 900, 0)] }, { outcomes: [outcome('censored'), outcome('inconclusive')] }],
} as unknown as Replay

describe('what the runs stopped by', () => {
  it('names each policy once', () => expect(ownPolicies(runs)).toEqual(['patience(checks=3)', 'patience(checks=5)']))
  it('says when the others would have stopped', () => {
    const [three, five] = stopRows(runs, ownPolicies(runs), replay)
    expect(three).toEqual({
      policy: 'patience(checks=3)', owners: ['a', 'c'],
      cells: [{ text: 'step 900', detail: '', isOwn: true }, { text: 'step 1,200', detail: 'saves 300 steps, loses nothing', isOwn: false }, null],
    })
    expect(five!.cells.map((cell) => cell?.text)).toEqual(['cannot tell', 'goes on', undefined])
  })
})
