import { describe, expect, it } from 'vitest'
import { scrollFor, visibleRows } from './virtualList'

describe('visibleRows', () => {
  it('shows few of many rows', () => {
    const rows = visibleRows(10_000, 36, 36 * 5000, 720)
    expect(rows.last - rows.first).toBeLessThan(60)
    expect(rows.first).toBeLessThanOrEqual(5000)
    expect(rows.last).toBeGreaterThanOrEqual(5020)
    expect(rows.height).toBe(360_000)
  })

  it('is never empty after a filter shortened the list (regression: "280 matches, empty table")', () => {
    const rows = visibleRows(280, 36, 36 * 9980, 720)
    expect(rows.last).toBe(280)
    expect(rows.first).toBeLessThan(280)
  })

  it.each([
    [0, 36, 0, 720],
    [0, 36, 500, 720],
    [3, 36, -20, 720],
    [5, 36, 0, 0],
  ])('survives odd input %j', (count, height, top, viewport) => {
    const rows = visibleRows(count, height, top, viewport)
    expect(rows.first).toBeGreaterThanOrEqual(0)
    expect(rows.last).toBeLessThanOrEqual(count)
    expect(rows.first).toBeLessThanOrEqual(rows.last)
  })
})

describe('scrollFor', () => {
  it('scrolls only to a row out of view', () => {
    expect(scrollFor(5, 10, 0, 100)).toBeNull()
    expect(scrollFor(2, 10, 50, 100)).toBe(20)
    expect(scrollFor(20, 10, 50, 100)).toBe(110)
  })
})
