import { describe, expect, it } from 'vitest'
import { compareFacts, factText, flattenFacts, isSameFact } from './facts'

describe('facts', () => {
  it('flattens nested keys, and keeps lists whole', () => {
    expect(flattenFacts({ a: 1, b: { c: [1, 2], d: { e: null } }, f: {} })).toEqual([['a', 1], ['b.c', [1, 2]], ['b.d.e', null], ['f', {}]])
  })

  it.each([
    [0.001, '1e-3', true], [1, 1.0, true], ['01', 1, true], ['', 0, false], [true, 1, false], [true, 'true', false],
    [undefined, null, true], [[1], [1], true], [[1], [2], false], ['a', 'b', false],
  ])('compares %j with %j', (a, b, same) => expect(isSameFact(a, b)).toBe(same))

  it('puts what differs first, and keeps the order within', () => {
    const rows = compareFacts([{ same: 1, lr: 0.1, deep: { x: 1 } }, { same: '1', lr: 0.2, deep: { x: 1, y: 2 } }])
    expect(rows.map(({ name, differs }) => [name, differs])).toEqual([['lr', true], ['deep.y', true], ['same', false], ['deep.x', false]])
    expect(rows[1]!.values).toEqual([undefined, 2])
  })

  it('writes values as people read them', () => {
    expect([0.1 + 0.2, 'adam', true, [1], null, ''].map(factText)).toEqual(['0.3', 'adam', 'true', '[1]', '–', '–'])
  })
})
