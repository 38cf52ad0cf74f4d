import { expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { describeActs, runsAsCsv } from './actions'

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
