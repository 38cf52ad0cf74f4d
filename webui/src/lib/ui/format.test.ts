import { describe, expect, it } from 'vitest'
import { age, bytes, count, duration, exact, figure } from './format'

describe('figure', () => {
  it.each([
    [null, '–'],
    [undefined, '–'],
    ['NaN', 'NaN'],
    ['-Infinity', '-Infinity'],
    [0, '0'],
    [1000, '1000'],
    [0.9723756906, '0.972376'],
    [0.1 + 0.2, '0.3'],
    [123456.789, '123457'],
    [0.0000123456789, '1.2346e-5'],
    [1e-7, '1e-7'],
    [-2.5e12, '-2.5e12'],
  ])('%j -> %s', (value, text) => {
    expect(figure(value)).toBe(text.replace('e12', 'e+12'))
  })

  it('exact keeps every digit', () => {
    expect(exact(0.1 + 0.2)).toBe('0.30000000000000004')
  })
})

it('count sets thousands apart', () => {
  expect(count(1234567)).toBe('1\u202f234\u202f567')
  expect(count(null)).toBe('–')
})

it.each([
  [3, '3 s'],
  [59.6, '1 min 00 s'],
  [200, '3 min 20 s'],
  [7500, '2 h 05 min'],
  [273600, '3 d 4 h'],
  [-1, '0 s'],
])('duration(%d) = %s', (seconds, text) => expect(duration(seconds)).toBe(text))

it.each([
  [0, '0 s'],
  [119, '1 min'],
  [7300, '2 h'],
  [90000, '25 h'],
  [400000, '4 d'],
])('age(%d) = %s', (seconds, text) => expect(age(seconds)).toBe(text))

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1234, '1.2 kB'],
  [403_000_000, '403 MB'],
  [999_999, '1.0 MB'],
])('bytes(%d) = %s', (size, text) => expect(bytes(size)).toBe(text))
