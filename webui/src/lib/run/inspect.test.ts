import { describe, expect, it } from 'vitest'
import {
  NO_COMPARISON, filterAndSortRows, describeChange, inspectCommands, layoutOf, nextOrder, comparedCheckpoint, describePart, pixelsOf, maxAbsolute, formatRelative, rowsOf, usualSlice,
} from './inspect'
import type { Checkpoint, Variable, VariableDifference } from '$lib/api/types'

const variable = (collection: 'model' | 'optimizer', index: number, path: string, fields: Partial<Variable> = {}): Variable => ({
  collection, index, path, shape: [2], dtype: 'float32', digest: '', size_bytes: 8, non_finite: 0, ...fields,
} as Variable)
const change = (collection: 'model' | 'optimizer', kind: VariableDifference['kind'], fields: Partial<VariableDifference> = {}): VariableDifference => ({
  collection, path: 'x', kind, ...fields,
} as VariableDifference)

const VARIABLES = [
  variable('model', 0, 'conv/kernel', { norm: 2, shape: [5, 5, 1, 16] }),
  variable('model', 1, 'conv/bias', { norm: null, shape: [16] }),
  variable('optimizer', 0, 'conv/kernel', { norm: 10, shape: [] }),
]

describe('rows', () => {
  it('take the difference of their index, whatever their names', () => {
    const rows = rowsOf(VARIABLES, [change('model', 'differs', { path: 'conv_1/kernel', norm: 1 }), change('model', 'equal'), change('model', 'missing')])
    expect(rows.map((row) => row.change?.kind)).toEqual(['differs', 'equal', undefined])
  })

  it('have unique names', () => {
    const twins = [variable('model', 0, 'a'), variable('model', 1, 'a'), variable('optimizer', 0, 'a')]
    expect(rowsOf(twins).map((row) => row.name)).toEqual(['model/0:a', 'model/1:a', 'optimizer/a'])
  })

  it.each([
    ['', '', [0, 1, 2]],
    ['KERNEL', '', [0, 2]],
    ['', 'name', [1, 0, 2]],
    ['', 'norm', [0, 2, 1]],
    ['', '-norm', [2, 0, 1]],
    ['', '-shape', [0, 1, 2]],
    ['', 'nonsense', [0, 1, 2]],
    ['no such', 'norm', []],
  ])('named %j in order %j are %j', (named, by, order) => {
    const rows = rowsOf(VARIABLES)
    expect(filterAndSortRows(rows, named, by).map((row) => rows.indexOf(row))).toEqual(order)
  })

  it('change their order with each click, and return to the first order', () => {
    expect(['', '-norm', 'norm', 'name'].map((by) => nextOrder(by, 'norm'))).toEqual(['-norm', 'norm', '', '-norm'])
    expect(['', 'name', '-name'].map((by) => nextOrder(by, 'name'))).toEqual(['name', '-name', ''])
  })
})

it('is compared with the best unless it is the best', () => {
  const list = [{ id: 'a', is_best: false, state: 'durable' }, { id: 'b', is_best: true, state: 'durable' }] as Checkpoint[]
  expect(comparedCheckpoint(list, 'a', '')).toBe('b')
  expect(comparedCheckpoint(list, 'b', '')).toBeNull()
  expect(comparedCheckpoint(list, 'b', 'a')).toBe('a')
  expect(comparedCheckpoint(list, 'a', NO_COMPARISON)).toBeNull()
  expect(comparedCheckpoint([], 'a', '')).toBeNull()
})

it.each([
  [change('model', 'equal', { norm: 0, relative: 0 }), 'equal', ''],
  [change('model', 'differs', { norm: 1.25, relative: 0.0312345 }), '1.25', '3.12 %'],
  [change('model', 'differs', { norm: null, changed: 3 }), '3 values', ''],
  [change('model', 'differs', { norm: null, changed: 1 }), '1 value', ''],
  [change('model', 'shape'), 'another shape', ''],
  [null, '–', ''],
])('a difference in words', (one, words, relative) => {
  expect(describeChange(one)).toBe(words)
  expect(formatRelative(one)).toBe(relative)
})

it.each([
  [[], ''],
  [[784, 10], ''],
  [[5, 5, 1, 16], ':,:,0,0'],
])('of shape %j the slice %j is shown first', (shape, slice) => expect(usualSlice(shape)).toBe(slice))

describe('the layout', () => {
  it.each([
    [[], 'scalar'], [[1, 1], 'scalar'], [[7], 'vector'], [[784, 1], 'vector'], [[3, 4], 'picture'], [[3, 1, 4], 'picture'],
    [[2, 3, 4], 'more'], [[0, 3], 'none'],
  ])('of %j is %s', (part, kind) => expect(layoutOf(part).kind).toBe(kind))

  it('lays a tall picture on its side with every value in order', () => {
    const tall = layoutOf([6, 2])
    expect(tall).toEqual({ kind: 'picture', rows: 2, columns: 6, lying: true })
    if (tall.kind === 'picture') expect(pixelsOf([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], tall)).toEqual([0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11])
    const flat = layoutOf([2, 2])
    if (flat.kind === 'picture') expect(pixelsOf([0, 1, 2, 3], flat)).toEqual([0, 1, 2, 3])
  })
})

it('has colours from the least to the greatest finite value', () => {
  expect(maxAbsolute([-3, 2, NaN, Infinity])).toBe(3)
  expect(maxAbsolute([0, 0])).toBe(1)
})

it('names the values that the page shows', () => {
  expect(describePart({ shape: [3, 4], part: [3, 4], slice: '' })).toBe('all 3 x 4 values')
  expect(describePart({ shape: [4], part: [4], slice: '380,0:4' })).toBe('all 4 values, counted from the start of the slice')
  expect(describePart({ shape: [784, 64], part: [256, 64], slice: '' })).toBe('the first 256 x 64 of 784 x 64; write a slice to see the others')
  expect(describePart({ shape: [], part: [], slice: '0,0' })).toBe('one value')
})

it('has command lines that are quoted for the shell', () => {
  expect(inspectCommands('aaa', null, null, '')).toBe('keepbest checkpoint show aaa')
  expect(inspectCommands('aaa', 'bbb', "model/it's $(id)", ':,0')).toBe(
    `keepbest checkpoint show aaa\nkeepbest checkpoint show aaa --variable 'model/it'\\''s $(id)' --slice ':,0'\nkeepbest checkpoint diff bbb aaa`,
  )
})
