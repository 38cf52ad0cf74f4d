import { describe, expect, it } from 'vitest'
import type { RunGroup } from '$lib/api/types'
import { filterOfGroup, groupTitle, groupings } from './groups'

const group = (values: object) => ({ values, count: 2, best_name: 'run 7' }) as unknown as RunGroup

describe('a group', () => {
  it('is called by its value', () => {
    expect(groupTitle(group({ 'params.lr': 0.1 }), 'params.lr')).toBe('0.1')
    expect(groupTitle(group({ 'params.lr': null }), 'params.lr')).toBe('no lr')
    expect(groupTitle(group({ variant: 'ab12' }), 'variant')).toBe('run 7 and its seeds')
  })
  it('opens as a filter within the filter', () => {
    expect(filterOfGroup(group({ 'params.lr': 0.1 }), '')).toBe('params.lr = 0.1')
    expect(filterOfGroup(group({ tag: 'a "b"' }), 'x or y')).toBe('(x or y) and tag = "a \\"b\\""')
  })
  it('offers parameters that differ first', () => {
    const fields = { parameters: [{ key: 'a', differs: false }, { key: 'b', differs: true }] }
    expect(groupings(fields as never).map(({ label }) => label).slice(4)).toEqual(['b', 'a'])
  })
})
