// @vitest-environment jsdom
import { render, screen } from '@testing-library/svelte'
import { describe, expect, it } from 'vitest'
import type { Command } from '$lib/api/types'
import CommandProgress from './CommandProgress.svelte'

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()
const command = (more: Partial<Command>): Command =>
  ({ id: 'c', run: 'r', kind: 'roll_back', arguments: { to: 'best' }, state: 'requested', requested_by: 'ada', requested_at: ago(2), message: '', ...more }) as Command
const reached = () => [...document.querySelectorAll('li.reached')].map((item) => item.firstChild?.textContent?.trim())

describe('CommandProgress', () => {
  it('shows how far the command is, and claims no more', () => {
    render(CommandProgress, { command: command({}) })
    expect(screen.getByText('Roll back to the best')).toBeTruthy()
    expect(reached()).toEqual(['requested'])
    expect(screen.queryByText(/has not answered/)).toBeNull()
  })

  it('says when nobody answers', () => {
    render(CommandProgress, { command: command({ requested_at: ago(90) }) })
    expect(screen.getByText(/The trainer has not answered for 1 min/)).toBeTruthy()
  })

  it('is done only when it is done', () => {
    render(CommandProgress, { command: command({ state: 'done', acknowledged_at: ago(1), done_at: ago(0), message: 'back at step 500' }) })
    expect(reached()).toEqual(['requested', 'acknowledged', 'done'])
    expect(screen.getByText('back at step 500')).toBeTruthy()
  })

  it.each([
    ['refused', 'refused'],
    ['expired', 'timed out'],
  ] as const)('shows %s as such', (state, words) => {
    render(CommandProgress, { command: command({ state, done_at: ago(0) }) })
    expect(reached()).toEqual(['requested'])
    expect(screen.getByText(words)).toBeTruthy()
  })
})
