import { describe, expect, it } from 'vitest'
import { between, VIEW_DEFAULTS, readWorkspace, shownRuns, toggleEye, togglePin, writeWorkspace } from './view'

const view = readWorkspace('')

describe('the address of the workspace', () => {
  it('leaves defaults out', () => {
    expect(writeWorkspace(view)).toBe('')
    expect(view).toEqual(VIEW_DEFAULTS)
  })
  it('reads what it wrote', () => {
    const seen = { ...view, q: 'params.lr < 0.1 and tag = "a,b"', on: ['aaaaaaaaaaa1', 'aaaaaaaaaaa2'], pins: ['aaaaaaaaaaa3'], smooth: 0.6, ranges: ['loss:0,1'] }
    expect(readWorkspace(writeWorkspace(seen))).toEqual(seen)
  })
  it('leaves out what cannot be a run', () => {
    const { pins, on, base, picked } = readWorkspace('?pins=nobody,aaaaaaaaaaa1&on=1%29%20or%20%281&base=%22x&picked=AAAAAAAAAAA1')
    expect({ pins, on, base, picked }).toEqual({ pins: ['aaaaaaaaaaa1'], on: [], base: '', picked: [] })
  })
})

describe('eyes', () => {
  const listed = ['a', 'b', 'c', 'd']
  it('are on for the first of the list, and for pins', () => {
    expect(shownRuns(listed, { ...view, first: 2, pins: ['d'] })).toEqual(['d', 'a', 'b'])
  })
  it('are switched off and on again', () => {
    const off = toggleEye(view, 'b', true)
    expect(shownRuns(listed, { ...view, first: 2, ...off })).toEqual(['a'])
    const on = toggleEye(off, 'b', false)
    expect(shownRuns(listed, { ...view, first: 0, ...on })).toEqual(['b'])
  })
  it('show fifty runs at most', () => {
    const many = Array.from({ length: 80 }, (_, index) => String(index))
    expect(shownRuns(many, { ...view, first: 80 })).toHaveLength(50)
  })
})

describe('pins and selections', () => {
  it('takes six pins and no more', () => {
    const six = ['1', '2', '3', '4', '5', '6']
    expect(togglePin(six, '7')).toBeNull()
    expect(togglePin(six, '3')).toEqual(['1', '2', '4', '5', '6'])
  })
  it('selects from the anchor to the run, either way', () => {
    expect(between(['a', 'b', 'c', 'd'], 'b', 'd')).toEqual(['b', 'c', 'd'])
    expect(between(['a', 'b', 'c', 'd'], 'd', 'b')).toEqual(['b', 'c', 'd'])
    expect(between(['a', 'b'], 'gone', 'b')).toEqual(['b'])
  })
})
