// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte'
import { expect, it } from 'vitest'
import PatienceBar from './PatienceBar.svelte'

const width = () => (document.querySelector('.fill') as HTMLElement).style.width

it.each([
  [3, 7, 'checks', '7 checks left', '70%'],
  [0, 1, 'checks', '1 check left', '100%'],
  [1001, 0, 'steps', '0 steps left', '0%'],
  [0, 0, null, '0 checks left', '0%'],
])('waited %d, %d left', (wait, left, unit, words, filled) => {
  render(PatienceBar, { wait, left, unit })
  expect(screen.getByText(words)).toBeTruthy()
  expect(width()).toBe(filled)
})

it('shows nothing for a policy without patience', () => {
  render(PatienceBar, { wait: null, left: null, unit: null })
  expect(document.querySelector('.track')).toBeNull()
})
