import { expect, it } from 'vitest'
import { aheadBy } from './clock.svelte'

const HERE = Date.UTC(2026, 10, 30, 12)
const HOUR = 3_600_000
const at = (millis: number, cache = 'private, no-cache') => new Headers({ date: new Date(millis).toUTCString(), 'cache-control': cache })

it.each([
  ['an hour ahead', at(HERE + HOUR), HOUR],
  ['an hour behind', at(HERE - HOUR), -HOUR],
  ['the same but for the way', at(HERE - 3000), 0],
  ['an answer that the browser kept', at(HERE - HOUR, 'private, max-age=31536000, immutable'), null],
  ['no date', new Headers(), null],
])('compares the clocks: %s', (_, headers, expected) => expect(aheadBy(headers, HERE)).toBe(expected))
