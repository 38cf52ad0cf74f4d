import { describe, expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { endingOf, endingText } from './pace'

const START = Date.parse('2026-11-01T00:00:00Z') / 1000
const run = (said: object) => ({ started_at: '2026-11-01T00:00:00Z', step: 100, spec: { validate_every: 50, max_steps: 1000 }, ...said }) as unknown as Run
const text = (said: object) => endingText(endingOf(run(said), START + 200)) // two seconds a step

describe('when a run will end', () => {
  it.each([
    [{}, 'in 30 min 00 s at the latest'],
    [{ patience_left: 3, patience_unit: 'checks' }, 'in 5 min 00 s unless it improves, in 30 min 00 s at the latest'],
    [{ patience_left: 10, patience_unit: 'steps', max_steps: 101 }, 'in 2 s at the latest'],
    [{ spec: { validate_every: 50, max_steps: null } }, 'when a person or its script ends it'],
    [{ step: 0 }, 'no pace yet'],
    [{ started_at: null }, 'no pace yet'],
  ])('%j', (said, expected) => expect(text(said)).toBe(expected))
})
