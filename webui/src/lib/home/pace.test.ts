import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { endingOf, endingText } from './pace'

interface Row {
  run: Partial<Run>
  patience?: number | null
  limit?: number | null
  words: string
}
const ROWS = JSON.parse(readFileSync('../tests/support/outlooks.json', 'utf8')) as Row[]
/** Two seconds a step, a validation each 50 steps, just validated. */
const RUN = { state: 'running', segment: 0, step: 100, last_validation_step: 100, pace: { segment: 0, seconds_per_step: 2, steps_per_validation: 50 } }

it.each(ROWS)('$run ends as the command line says: $words', ({ run, patience, limit, words }) => {
  const made = { ...RUN, ...run, spec: { max_steps: 1000, ...run.spec } } as unknown as Run
  expect(endingText(made)).toBe(words)
  expect(endingOf(made)).toEqual(limit === undefined ? null : { patience, limit })
})
