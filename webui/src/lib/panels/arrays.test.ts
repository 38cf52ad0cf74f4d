import { expect, test } from 'vitest'
import { slices, unpack, type PackedArray } from './arrays'
import { centred, diverging, imagePixels, shadePixels } from './pixels'

const BYTES: PackedArray = { shape: [2, 2], dtype: 'uint8', data: btoa('\x00\x01\x02\xff') }
const FLOATS: PackedArray = { shape: [2], dtype: 'float32', data: btoa(String.fromCharCode(0, 0, 128, 63, 0, 0, 0, 192)) }

test('bytes and floats are unpacked', () => {
  expect([...unpack(BYTES)]).toEqual([0, 1, 2, 255])
  expect([...unpack(FLOATS)]).toEqual([1, -2])
})

test('slices share the first axis', () => {
  expect(slices(BYTES).map((slice) => [...slice])).toEqual([[0, 1], [2, 255]])
  expect(slices({ ...BYTES, shape: [0, 2] })).toEqual([])
})

test('orange is negative, blue is positive, NaN has the middle colour', () => {
  expect(diverging(-1)).toEqual([245, 147, 34])
  expect(diverging(9)).toEqual([8, 119, 189])
  expect(diverging(NaN)).toEqual(diverging(0))
  expect([centred(0), centred(255)]).toEqual([-1, 1])
})

test('pixels of one channel and of three', () => {
  expect([...shadePixels([-1, 1], diverging)]).toEqual([245, 147, 34, 255, 8, 119, 189, 255])
  expect([...imagePixels([7], 1)]).toEqual([7, 7, 7, 255])
  expect([...imagePixels([1, 2, 3], 3)]).toEqual([1, 2, 3, 255])
})
