// @vitest-environment jsdom
import { render } from '@testing-library/svelte'
import { expect, it } from 'vitest'
import type { SweepRun, SweepRuns } from '$lib/api/types'
import BestRun from './BestRun.svelte'
import SweepTable from './SweepTable.svelte'

const run = (number: number, more: Partial<SweepRun>) =>
  ({ number, run: `r${number}`, name: `rates-${number}`, state: 'finished', stop_reason: null, parameters: { units: 8 * number }, best_step: 300, step: 400, validations: 4, selected_value: null, selected_step: null, ...more }) as SweepRun
const RUNS = [
  run(1, { best_value: 0.97, selected_value: 0.97, selected_step: 300, averages_tried: 2 }),
  run(2, { best_value: 0.9, selected_value: 0.98, selected_step: 200, averages_tried: 2 }),
  run(3, { best_value: 0.975 }),
]
const known = (best: SweepRun | null, runs = RUNS) =>
  ({ runs, sweep: { space: { units: { kind: 'int', low: 8, high: 24, step: 8, log: false } }, monitor: 'val_accuracy', mode: 'max', best, selector: { name: 'greedy_soup', params: { k: 3 } } } }) as unknown as SweepRuns
const text = () => document.querySelector('section')!.textContent!.replace(/\s+/g, ' ').trim()

it('shows the selected model, the best validation, and the number of candidates', () => {
  render(BestRun, { known: known(RUNS[1]!) })
  expect(text()).toContain('0.98 val_accuracy @ 200 rates-2')
  expect(text()).toContain('selected by greedy_soup(k=3); its best validation 0.9 @ 300')
  expect(text()).toContain('Selected, optimistic: the best of 12 validations and 4 averages of 3 runs.')
})

it('shows no value twice', () => {
  render(BestRun, { known: known(RUNS[0]!) })
  expect(text()).toContain('selected by greedy_soup(k=3)')
  expect(text()).not.toContain('its best validation')
})

it('shows the best validation of a run without a selection', () => {
  render(BestRun, { known: known(RUNS[2]!, RUNS.slice(2)) })
  expect(text()).toContain('0.975 val_accuracy @ 300')
  expect(text()).not.toContain('selected by')
  expect(text()).toContain('the best of 4 validations of 1 run.')
})

it('waits for a value', () => {
  render(BestRun, { known: known(null) })
  expect(text()).toBe('Best run No run has validated yet.')
})

const rowsOf = () => [...document.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent!.replace(/\s+/g, ' ').trim()).slice(4))

it('shows and sorts by a column of selected values if they differ from the bests', () => {
  render(SweepTable, { known: known(RUNS[1]!), chosen: null, choose: () => {} })
  expect(rowsOf()).toEqual([
    ['val_accuracy @ step', 'Selected @ step'], ['0.9@ 300', '0.98@ 200'], ['0.975@ 300', '–'], ['0.97@ 300', '0.97@ 300'],
  ])
})

it('shows no such column if every run ends with its best', () => {
  render(SweepTable, { known: known(RUNS[0]!, RUNS.slice(0, 1)), chosen: null, choose: () => {} })
  expect(rowsOf()).toEqual([['val_accuracy @ step'], ['0.97@ 300']])
})
