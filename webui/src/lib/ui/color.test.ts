import { describe, expect, it } from 'vitest'
import { runColor } from './color'

describe('runColor', () => {
  it('is a function of the number alone', () => {
    expect(runColor(7, true)).toEqual(runColor(7, true))
  })

  it('gives 48 runs 48 different colours and dashes', () => {
    const looks = Array.from({ length: 48 }, (_, i) => JSON.stringify(runColor(i + 1, false)))
    expect(new Set(looks).size).toBe(48)
  })
})
