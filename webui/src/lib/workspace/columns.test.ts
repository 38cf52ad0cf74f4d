import { describe, expect, it } from 'vitest'
import type { ProjectFields, Run } from '$lib/api/types'
import { allColumns, askedColumns, cellNumber, cellText, columnWidth, fittingColumns, nameWidth, shownColumns } from './columns'
import { quoted } from './filterText'

const fields = {
  metrics: [{ key: 'val_loss', mode: 'min' }, { key: 'odd name', mode: null }],
  parameters: [{ key: 'same', values: [1], differs: false }, { key: 'lr', values: [0.1, 0.2], differs: true }],
} as unknown as ProjectFields
const run = {
  id: 'r', number: 10_000, name: 'run', state: 'finished', stop_reason: 'patience', best_value: 0.25, best_step: 1200, created_at: '2026-11-01T00:00:00Z',
  created_by: 'ann', spec: { source: { kind: 'recipe', name: 'mlp' } }, values: { 'params.lr': 0.1, 'metrics.`odd name`': 3 },
} as unknown as Run

describe('the columns of a project', () => {
  const all = allColumns(fields)
  it('puts parameters that differ first', () => {
    expect(all.filter(({ id }) => id.startsWith('params.')).map(({ id }) => id)).toEqual(['params.lr', 'params.same'])
  })
  it('chooses parameters that differ by itself', () => {
    expect(shownColumns(all, [], fields, false).map(({ id }) => id).slice(0, 4)).toEqual(['state', 'best', 'spark', 'params.lr'])
    expect(shownColumns(all, ['last', 'gone'], fields, false).map(({ id }) => id)).toEqual(['last'])
  })
  it('asks the tracker for parameters and metrics, with odd names quoted', () => {
    expect(askedColumns(shownColumns(all, ['best', 'params.lr', 'metrics.odd name'], fields, false))).toBe('params.lr,metrics.`odd name`')
    expect(quoted('train/loss')).toBe('train/loss')
  })
  it('reads cells and their numbers', () => {
    const odd = all.find(({ id }) => id === 'metrics.odd name')!
    expect(cellNumber(run, odd)).toBe(3)
    expect(cellText(run, all.find(({ id }) => id === 'state')!, 0)).toBe('finished patience ran out')
    expect(cellText(run, all.find(({ id }) => id === 'params.same')!, 0)).toBe('–')
  })
  it('is wide enough for what it holds', () => {
    const column = { id: 'notes', label: 'Notes' }
    const short = columnWidth(column, [run], 0)
    expect(columnWidth(column, [{ ...run, notes: 'twelve chars' } as Run], 0)).toBeGreaterThan(short)
    expect(columnWidth(column, [{ ...run, notes: 'x'.repeat(500) } as Run], 0)).toBeLessThan(300)
  })
  it('has room for a name with its tags, within limits', () => {
    expect(nameWidth([{ ...run, name: 'a network of two layers', tags: ['vision', 'swept'] } as Run])).toBeGreaterThan(nameWidth([run]))
    expect(nameWidth([{ ...run, name: 'x'.repeat(500) } as Run])).toBeLessThan(420)
  })
  it('shows the columns that fit, and state, best and curve in any case', () => {
    expect(fittingColumns([100, 100, 100, 100, 100], 450)).toBe(4)
    expect(fittingColumns([100, 100, 100, 100], 50)).toBe(3)
    expect(fittingColumns([100, 100], 500)).toBe(2)
  })
})
