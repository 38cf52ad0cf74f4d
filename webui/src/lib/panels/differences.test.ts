import { expect, it } from 'vitest'
import type { ClassifiedPair, ConfusionData } from '$lib/api/types'
import { cellOf, describeExamples, examplesOf, judge, picturesOf, samplesOf, signed } from './differences'

const pack = (values: number[], shape = [values.length]) => ({ shape, dtype: 'uint8' as const, data: btoa(String.fromCharCode(...values)) })
const PAIR: ClassifiedPair = { true: pack([0, 0, 1, 1]), first: pack([0, 1, 1, 1]), second: pack([1, 1, 1, 0]) }

it('finds the examples that stayed in a cell, left it and came', () => {
  expect(examplesOf(PAIR, { row: 0, column: 1 })).toEqual({ both: [1], left: [], came: [0] })
  expect(examplesOf(PAIR, { row: 1, column: 1 })).toEqual({ both: [2], left: [3], came: [] })
})

it.each([
  [1, { row: 0, column: 0 }, 'better'],
  [-1, { row: 0, column: 0 }, 'worse'],
  [1, { row: 0, column: 1 }, 'worse'],
  [-1, { row: 0, column: 1 }, 'better'],
  [0, { row: 0, column: 0 }, 'same'],
])('%d more in %j is %s', (change, cell, word) => expect(judge(change, cell)).toBe(word))

it('writes a change with its sign', () => {
  expect([signed(3), signed(-2), signed(0)]).toEqual(['+3', '−2', ''])
})

it('finds the samples of one matrix, where they are recorded', () => {
  const data = { examples: { true: pack([0, 1, 1]), predicted: pack([0, 0, 0]) } } as unknown as ConfusionData
  expect(samplesOf(data, { row: 1, column: 0 })).toEqual([1, 2])
  expect(samplesOf({ examples: null } as unknown as ConfusionData, { row: 1, column: 0 })).toBeNull()
})

it('finds a picture by its example', () => {
  const pictures = picturesOf({ indexes: [4, 9], images: pack([1, 2, 3, 4], [2, 1, 2, 1]) })
  expect([...pictures.get(9)!]).toEqual([3, 4])
  expect(picturesOf(null).size).toBe(0)
})

it('says of how many examples it knows', () => {
  const examples = { n: 10, known: 4, newly_right: 1, newly_wrong: 2, wrong_at_both: 0, right: [], wrong: [] }
  expect(describeExamples({ examples })).toBe('1 newly right, 2 newly wrong, 0 wrong at both ends, of the first 4 of 10 examples.')
})

it('knows a cell by its classes', () => {
  expect(cellOf(['a', 'b'], ['b', 'a'])).toEqual({ row: 1, column: 0 })
  expect(cellOf(['a', 'b'], ['b', 'c'])).toBeNull()
})
