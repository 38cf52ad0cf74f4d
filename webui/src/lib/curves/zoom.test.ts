import { expect, it } from 'vitest'
import { readRange, writeRange } from './zoom'

it('reads a range only where both ends are numbers in order', () => {
  expect(readRange(writeRange([1.5, 20]))).toEqual([1.5, 20])
  expect([readRange(''), readRange('3'), readRange('3,2'), readRange('a,b')]).toEqual([null, null, null, null])
})
