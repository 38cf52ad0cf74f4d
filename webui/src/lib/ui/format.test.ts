import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { age, bytes, count, duration, exact, figure } from './format'

type Row = [value: number, shown: string]
const TABLE = JSON.parse(readFileSync('../tests/support/figures.json', 'utf8')) as Record<string, Row[]>
const WAYS: Record<string, (value: number) => string> = { figure, figure4: (value) => figure(value, 4), count, size: bytes, duration }

describe.each(Object.entries(TABLE))('%s, as the command line shows it', (way, rows) => {
  it.each(rows)('%j is shown as %s', (value, shown) => expect(WAYS[way]!(value)).toBe(shown))
})

it('a missing number is a dash', () => {
  expect([figure(null), figure(undefined), count(null)]).toEqual(['–', '–', '–'])
})

it('exact keeps every digit', () => {
  expect(exact(0.1 + 0.2)).toBe('0.30000000000000004')
})

it.each([
  [0, '0 s'],
  [119, '1 min'],
  [7300, '2 h'],
  [90000, '25 h'],
  [400000, '4 d'],
])('age(%d) = %s', (seconds, text) => expect(age(seconds)).toBe(text))
