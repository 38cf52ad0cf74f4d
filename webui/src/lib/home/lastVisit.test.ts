import { describe, expect, it } from 'vitest'
import { endedSince, lastSeen, markSeen } from './lastVisit'

const NOW = Date.UTC(2026, 10, 30, 12)
const DAY = 86_400_000
const keeps = (text: string | null) => ({ getItem: () => text })

describe('the last visit', () => {
  it.each([
    [null, NOW - DAY], ['nonsense', NOW - DAY], [String(NOW + 1), NOW - DAY],
    [String(NOW - 5000), NOW - 5000], [String(NOW - 400 * DAY), NOW - 14 * DAY],
  ])('%s', (stored, seen) => expect(lastSeen(keeps(stored), NOW)).toBe(seen))
  it('is kept by the browser', () => {
    const kept = new Map<string, string>()
    markSeen({ setItem: (key, text) => void kept.set(key, text) }, NOW)
    expect([...kept.values()]).toEqual([String(NOW)])
  })
  it('is a filter', () => expect(endedSince(NOW)).toBe('ended > 2026-11-30T12:00:00Z'))
})
