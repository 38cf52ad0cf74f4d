// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte'
import { expect, it } from 'vitest'
import type { Selection } from '$lib/api/types'
import SelectionCard from './SelectionCard.svelte'

const SOUP: Selection = {
  selector: { name: 'greedy_soup', params: { k: 3 } }, checkpoint: 'made', step: 1200, value: 0.98, n: 300,
  made_of: ['a', 'b'], best_checkpoint: 'a', best_step: 1200, best_value: 0.97, batches: null,
  candidates: [{ checkpoint: 'a', step: 1200, value: 0.97 }, { checkpoint: 'b', step: 800, value: 0.96 }, { checkpoint: 'c', step: 900, value: 0.95 }],
  trials: [{ made_of: ['a', 'b'], value: 0.98, is_kept: true }, { made_of: ['a', 'b', 'c'], value: null, is_kept: false }],
  message: 'the average of steps 1200, 800 gives 0.98',
}
const show = (more: Partial<Selection> = {}) => render(SelectionCard, { selection: { ...SOUP, ...more }, monitor: 'val_accuracy' })
const text = () => document.querySelector('section')!.textContent!.replace(/\s+/g, ' ')

it('names the model that the run ended with, the best, and every tried average', () => {
  show()
  expect(screen.getByText('the average of steps 1,200, 800')).toBeTruthy()
  expect(text()).toContain("val_accuracy 0.98 (the best has 0.97 at step 1,200)")
  expect(text()).toContain('greedy_soup(k=3): the average of steps 1200, 800 gives 0.98. The selector measured 2 averages')
  expect([...document.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent!.replace(/\s+/g, ' ')))).toEqual([
    ['1,200, 800', '0.98', 'kept'], ['1,200, 800, 900', '–', ''],
  ])
})

it('says that the run ended with its best', () => {
  show({ checkpoint: 'a', made_of: ['a'], value: 0.97, trials: SOUP.trials!.slice(0, 1) })
  expect(screen.getByText('the best, step 1,200')).toBeTruthy()
  expect(text()).not.toContain('the best has')
  expect(text()).toContain('The selector measured 1 average')
})

it('names an earlier validation', () => {
  show({ checkpoint: 'b', made_of: ['b'], step: 800, value: 0.96, trials: [] })
  expect(screen.getByText('step 800')).toBeTruthy()
  expect(text()).toContain("0.96 (the best has 0.97")
  expect(document.querySelector('table')).toBeNull()
})
