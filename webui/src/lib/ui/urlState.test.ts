import { describe, expect, it } from 'vitest'
import { readView, writeView } from './urlState'

const defaults = { q: '', sort: 'number', weight: 0.6, log: false, tags: [] as readonly string[] }

describe('view in the address', () => {
  it('leaves defaults out of the address', () => {
    expect(writeView(readView('', defaults), defaults)).toBe('')
  })

  it.each([
    { q: 'lr=0.1 & ü', sort: 'best', weight: 0, log: true, tags: ['a,b', 'c d'] },
    { q: '<script>', sort: '', weight: -1.5, log: false, tags: [''] },
  ])('comes back the same: %j', (view) => {
    expect(readView(writeView(view, defaults), defaults)).toMatchObject({ q: view.q, weight: view.weight, log: view.log })
  })

  it('keeps commas inside a list apart from its separators', () => {
    const view = { ...readView('', defaults), tags: ['a,b', 'c'] }
    expect(readView(writeView(view, defaults), defaults).tags).toEqual(['a,b', 'c'])
  })

  it('takes the default for a text that is no number', () => {
    expect(readView('?weight=abc', defaults).weight).toBe(0.6)
    expect(readView('?weight=', defaults).weight).toBe(0.6)
    expect(readView('?weight=Infinity', defaults).weight).toBe(0.6)
  })
})
