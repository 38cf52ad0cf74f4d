// @vitest-environment jsdom
import { fireEvent, render, screen, waitFor } from '@testing-library/svelte'
import { createRawSnippet } from 'svelte'
import { beforeEach, describe, expect, it } from 'vitest'
import { ApiError } from '$lib/api/client'
import { RuleSet } from '$lib/run/ruleSet.svelte'
import { session } from '$lib/api/session.svelte'
import type { Me, ProjectRules, RulesRequest } from '$lib/api/types'
import DefaultStopperDialog from './DefaultStopperDialog.svelte'
import RuleCard from './RuleCard.svelte'

const NONE: ProjectRules = { project: 'p', stopper: null, median: null, max_steps: null, max_seconds: null, set_by: null, set_at: null }

/** A tracker that takes rules only from who has seen the ones before. */
class Tracker {
  kept = NONE
  tag = 0
  fails: ApiError | null = null
  /** What somebody else sets just before the next PUT arrives. */
  rival: Partial<ProjectRules> | null = null

  rules = async () => ({ value: this.kept, tag: String(this.tag) })
  setRules = async (_: string, body: RulesRequest, tag: string) => {
    if (this.rival) this.put({ ...this.rival, set_by: 'bob' })
    this.rival = null
    if (this.fails) throw this.fails
    if (tag !== String(this.tag)) throw new ApiError(412, 'stale', 'Somebody changed this.')
    return this.put({ ...(body as Partial<ProjectRules>), set_by: 'ada' })
  }
  put(change: Partial<ProjectRules>): ProjectRules {
    this.tag += 1
    return (this.kept = { ...this.kept, ...change })
  }
}

let tracker: Tracker
let set: RuleSet
let typed: number | null
const button = (name: string) => screen.queryByRole('button', { name })

beforeEach(async () => {
  session.me = { user: 'ada', role: 'member' } as Me
  tracker = new Tracker()
  set = new RuleSet('p', tracker)
  await set.load()
  typed = null
})

function show() {
  const fields = createRawSnippet(() => ({ render: () => '<input aria-label="Steps" />' }))
  render(RuleCard, { set, name: 'max_steps', begin: () => (typed = 70), value: () => typed, fields })
}

describe('RuleCard', () => {
  it('sets one rule and keeps the rules that others set meanwhile', async () => {
    show()
    expect(screen.getByText(/Not set/)).toBeTruthy()
    expect(button('Remove: Step limit')).toBeNull()
    await fireEvent.click(button('Set: Step limit')!)
    tracker.rival = { max_seconds: 5 }
    await fireEvent.click(button('Save')!)
    await screen.findByText('The tracker stops every run at step 70.')
    expect([tracker.kept.max_steps, tracker.kept.max_seconds]).toEqual([70, 5])
  })

  it('replaces a rule that somebody set meanwhile only after showing it', async () => {
    show()
    await fireEvent.click(button('Set: Step limit')!)
    tracker.rival = { max_steps: 9 }
    await fireEvent.click(button('Save')!)
    await screen.findByText(/bob changed this rule meanwhile/)
    expect(tracker.kept.max_steps).toBe(9)
    expect(screen.getByText('The tracker stops every run at step 9.')).toBeTruthy()
    expect(button('Save')).toBeNull()
    await fireEvent.click(button('Replace the rule')!)
    await screen.findByText('The tracker stops every run at step 70.')
  })

  it('keeps the typed policy when the tracker refuses it', async () => {
    show()
    await fireEvent.click(button('Set: Step limit')!)
    tracker.fails = new ApiError(422, 'invalid_input', 'Expected a policy:\n  patiense(7)\n  ^', "Did you mean 'patience'?")
    await fireEvent.click(button('Save')!)
    expect((await screen.findByRole('alert')).textContent).toBe("Expected a policy:\n  patiense(7)\n  ^\nDid you mean 'patience'?")
    expect(screen.getByLabelText('Steps')).toBeTruthy()
  })

  it('removes one rule and keeps the others', async () => {
    tracker.put({ max_steps: 9, max_seconds: 5 })
    await set.load()
    show()
    await fireEvent.click(button('Remove: Step limit')!)
    await screen.findByText(/Not set/)
    expect(tracker.kept.max_seconds).toBe(5)
  })

  it('shows a viewer the rule and no button', async () => {
    session.me = { user: 'vera', role: 'viewer' } as Me
    tracker.put({ max_steps: 9 })
    await set.load()
    show()
    expect(screen.getByText('The tracker stops every run at step 9.')).toBeTruthy()
    expect(screen.queryAllByRole('button')).toEqual([])
  })
})

describe('DefaultStopperDialog', () => {
  const policy = (checks: number) => ({ name: 'patience', version: 1, params: { checks }, policies: [] })
  // jsdom has no modal dialogs.
  HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
    this.open = true
  }
  HTMLDialogElement.prototype.close = () => {}

  it('names the present default and replaces only it', async () => {
    tracker.put({ stopper: policy(9), max_steps: 70, set_by: 'bob' })
    let closed = false
    render(DefaultStopperDialog, { set, stopper: 'patience(checks=3)', close: () => (closed = true) })
    expect(await screen.findByText('patience(checks=9)')).toBeTruthy()
    await fireEvent.click(button('Make it the default')!)
    await waitFor(() => expect(closed).toBe(true))
    expect([tracker.kept.stopper, tracker.kept.max_steps]).toEqual(['patience(checks=3)', 70])
  })

  it('asks again when somebody else changed the default', async () => {
    let closed = false
    render(DefaultStopperDialog, { set, stopper: 'patience(checks=3)', close: () => (closed = true) })
    await waitFor(() => expect(button('Make it the default')?.hasAttribute('disabled')).toBe(false))
    tracker.rival = { stopper: policy(5) }
    await fireEvent.click(button('Make it the default')!)
    expect((await screen.findByRole('alert')).textContent).toContain('bob changed the default meanwhile')
    expect(screen.getByText('patience(checks=5)')).toBeTruthy()
    expect([closed, tracker.kept.stopper]).toEqual([false, policy(5)])
  })
})
