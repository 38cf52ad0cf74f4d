import { expect, it } from 'vitest'
import { addressOf, shapeOf } from './content'
import type { Artifact } from '$lib/api/types'

const file = (kind: string, media_type: string, size_bytes = 10) => ({ kind, media_type, size_bytes }) as Artifact

it('shows text, tables and pictures, and nothing that could run', () => {
  expect(shapeOf(file('text', 'text/plain'))).toBe('text')
  expect(shapeOf(file('text', 'text/html'))).toBe('text') // as letters
  expect(shapeOf(file('table', 'text/csv'))).toBe('table')
  expect(shapeOf(file('figure', 'image/png'))).toBe('picture')
  expect(shapeOf(file('image', 'image/svg+xml'))).toBe('other')
  expect(shapeOf(file('file', 'application/pdf'))).toBe('other')
  expect(shapeOf(file('text', 'text/plain', 0))).toBe('empty')
})

it('offers what is too large for download', () => {
  expect(shapeOf(file('image', 'image/png', 1e9))).toBe('other')
  expect(shapeOf(file('table', 'application/json', 1e9))).toBe('other')
  expect(shapeOf(file('table', 'text/csv', 1e9))).toBe('table')
})

it('makes an address of any path', () => {
  expect(addressOf({ run: 'abc', path: 'a/b c?#%/ü', version: 2 })).toBe('/api/v1/runs/abc/artifacts/a/b%20c%3F%23%25/%C3%BC?version=2')
})
