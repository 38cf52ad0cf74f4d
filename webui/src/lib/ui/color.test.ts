import { describe, expect, it } from 'vitest'
import { inkOf } from './color'

describe('inkOf', () => {
  it('is a function of the number alone', () => {
    expect(inkOf(7, true)).toEqual(inkOf(7, true))
  })

  it('gives 48 runs 48 different looks', () => {
    const looks = Array.from({ length: 48 }, (_, i) => JSON.stringify(inkOf(i + 1, false)))
    expect(new Set(looks).size).toBe(48)
  })
})
