import { expect, it } from 'vitest'
import { readTable } from './table'
import { sortRows } from './tableOrder'

it('reads the JSON that log_table writes, and a list of records', () => {
  const text = '{"columns": ["epoch", "loss"], "data": [[1, 0.5], [2, "NaN"], [3]]}'
  expect(readTable(text, 'application/json')).toEqual({ columns: ['epoch', 'loss'], width: 2, rows: [[1, 0.5], [2, NaN], [3, null]] })
  expect(readTable('[{"a": 1}, {"b": {"c": 2}}]', 'application/json')).toEqual({ columns: ['a', 'b'], width: 2, rows: [[1, null], [null, '{"c":2}']] })
})

it('takes JSON that is no table for none', () => {
  for (const text of ['{', '7', '[1]', '{"columns": 1, "data": []}', '{"columns": ["a"], "data": [1]}', 'null']) {
    expect(readTable(text, 'application/json')).toBeNull()
  }
})

it('reads CSV with quotes, line ends of both kinds, and no last line end', () => {
  expect(readTable('a,b\r\n"x, ""y""\nz",2\n,3e-2', 'text/csv')).toEqual({ columns: ['a', 'b'], width: 2, rows: [['x, "y"\nz', 2], [null, 0.03]] })
  expect(readTable('a\tb\n1\tx\n', 'text/tab-separated-values')?.rows).toEqual([[1, 'x']])
  expect(readTable('a,b\n1,2\n3,4', 'text/csv', true)?.rows).toEqual([[1, 2]])
  expect(readTable('', 'text/csv')).toBeNull()
})

it('keeps what only looks like a number', () => {
  expect(readTable('a\n007\n12345678901234567890\n1.50\n0x10\n', 'text/csv')?.rows.flat()).toEqual(['007', '12345678901234567890', 1.5, '0x10'])
})

it('holds no inherited name for a value', () => {
  expect(readTable('[{"toString": 1}, {"__proto__": 2}]', 'application/json')?.rows).toEqual([[1, null], [null, 2]])
})

it('says how many columns it leaves out', () => {
  const wide = readTable(Array.from({ length: 300 }, (_, place) => `c${place}`).join(','), 'text/csv')
  expect([wide?.columns.length, wide?.width]).toEqual([200, 300])
})

it('sorts numbers before texts, and nothing last either way', () => {
  const rows = [['b'], [null], [10], [2], ['a10'], ['a2'], [NaN]]
  expect(sortRows(rows, 0, false).flat()).toEqual([2, 10, 'a2', 'a10', 'b', null, NaN])
  expect(sortRows(rows, 0, true).flat()).toEqual(['b', 'a10', 'a2', 10, 2, null, NaN])
})
