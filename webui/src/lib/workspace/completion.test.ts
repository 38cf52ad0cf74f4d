import { describe, expect, it } from 'vitest'
import type { ProjectFields } from '$lib/api/types'
import { accept, complete } from './completion'

const fields = {
  metrics: [{ key: 'val_accuracy' }, { key: 'odd name' }],
  parameters: [{ key: 'learning_rate', values: [0.1, 0.01] }, { key: 'shift', values: [-0.5, -2] }, { key: 'a`b', values: ['it"s \\', 'true', '007'] }, { key: 'optimizer', values: ['adam', 'sgd with "nesterov"'] }],
  tags: ['vision', 'two words'], recipes: ['mlp'], workers: [], users: [],
} as unknown as ProjectFields
const texts = (text: string) => complete(text, text.length, fields).suggestions.map((suggestion) => suggestion.text)

describe('completion', () => {
  it('offers names at the beginning', () => {
    expect(texts('')).toContain('metrics.val_accuracy')
    expect(texts('lear')).toEqual(['params.learning_rate'])
    expect(texts('odd')).toEqual(['metrics.`odd name`'])
  })
  it('offers operators behind a name', () => {
    expect(texts('params.learning_rate ')).toContain('<=')
    expect(texts('state ')).toContain('=')
  })
  it('offers the values of a parameter, a tag and a state', () => {
    expect(texts('params.learning_rate = ')).toEqual(['0.1', '0.01'])
    expect(texts('params.optimizer = ad')).toEqual(['adam'])
    expect(texts('tag=')).toEqual(['vision', '"two words"'])
    expect(texts('state = fi')).toEqual(['finished'])
  })
  it('offers "and" behind a comparison', () => {
    expect(texts('state = finished ').slice(0, 2)).toEqual(['and', 'or'])
  })
  it('replaces what was typed at the cursor', () => {
    const text = 'tag = vis and best > 1'
    const completion = complete(text, 9, fields)
    expect(accept(text, completion, completion.suggestions[0]!)).toEqual({ text: 'tag = vision and best > 1', cursor: 13 })
  })
  it('completes names and values with spaces, quotes and backslashes', () => {
    expect(texts('metrics.`odd na')).toEqual(['metrics.`odd name`'])
    expect(texts('metrics.`odd name` ')).toContain('<=')
    expect(texts('params.`a\\`b` = ')).toEqual(['"it\\"s \\\\"', '"true"', '"007"'])
    expect(texts('tag = "two w')).toEqual(['"two words"'])
  })
  it('keeps the dash of a value, and the dash that negates a name', () => {
    expect(texts('params.shift = -')).toEqual(['-0.5', '-2'])
    expect(texts('params.shift in (-2, -0')).toEqual(['-0.5'])
    expect(texts('-params.shift = -0')).toEqual(['-0.5'])
    expect(texts('-lear')).toEqual(['params.learning_rate'])
    expect(accept('-lear', complete('-lear', 5, fields), { text: 'params.learning_rate', kind: 'parameter' }).text).toBe('-params.learning_rate ')
    expect(texts('-params.shift ')).toContain('<=')
  })
  it('offers values in an open list', () => {
    expect(texts('tag in (')).toEqual(['vision', '"two words"'])
    expect(texts('tag not in (vision, ')).toContain('"two words"')
    expect(texts('tag in (vision) ')).toContain('and')
  })
  it('replaces the whole word that the cursor is in', () => {
    const text = 'tag = visual'
    expect(accept(text, complete(text, 9, fields), { text: 'vision', kind: 'value' }).text).toBe('tag = vision ')
  })
})
