import { expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { concernedBy, describeActs, forkEach, runsAsCsv, whatHappens } from './actions'

it('says how many runs did it, and why the first of the others refused', () => {
  const done = { run: 'a', is_done: true, state: null, message: '', hint: null }
  const refused = { run: 'b', is_done: false, state: null, message: 'A worker trains the run.', hint: 'Stop it first.' }
  expect(describeActs('Deleted', [done])).toBe('Deleted 1 run')
  expect(describeActs('Deleted', [done, done, refused])).toBe('Deleted 2 runs; 1 refused: A worker trains the run. Stop it first.')
})

it('writes runs with every digit, and no name as a formula', () => {
  const run = { id: 'r', number: 3, name: '=cmd()', tags: ['a', 'b'], best_value: 0.123456789, spec: { source: {} } } as unknown as Run
  const columns = [{ id: 'best', label: 'Best' }, { id: 'spark', label: 'Curve' }]
  expect(runsAsCsv([run], columns, 0)).toBe("number,id,name,tags,Best\r\n3,r,'=cmd(),a b,0.123456789\r\n")
})

const runs = [
  { id: 'a', state: 'running', best_checkpoint: null, spec: {} }, { id: 'b', state: 'finished', best_checkpoint: 'c', spec: {} },
  { id: 'c', state: 'failed', best_checkpoint: 'd', spec: { trial: { sweep: 's' } } },
] as unknown as Run[]

it('says what an act leaves out, and what will refuse', () => {
  expect(concernedBy('stop', runs).map(({ id }) => id)).toEqual(['a'])
  expect(whatHappens('stop', runs)).toContain('2 runs ended already and will be left out.')
  expect(whatHappens('move', runs).slice(1)).toEqual(['1 run at a worker will refuse: what trains cannot move.', '1 run of a sweep will refuse: trials stay with their sweep.'])
  expect(whatHappens('fork', runs)[1]).toBe('1 run without a checkpoint on disk will refuse.')
})

it('forks every run, whatever one of them answers', async () => {
  const seen: number[] = []
  const results = await forkEach(runs, async (run) => (run === 'a' ? Promise.reject(new Error('There is no checkpoint.')) : ({ id: 'new' } as Run)), (done) => seen.push(done))
  expect(seen).toEqual([1, 2, 3])
  expect(describeActs('Forked', results)).toBe('Forked 2 runs; 1 refused: There is no checkpoint.')
})
