import { expect, it } from 'vitest'
import { numberOf } from './floats'

it('numberOf reads floats that JSON cannot carry', () => {
  expect(numberOf('NaN')).toBeNaN()
  expect(numberOf('Infinity')).toBe(Infinity)
  expect(numberOf(null)).toBeNull()
})
