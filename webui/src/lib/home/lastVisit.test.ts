import { describe, expect, it } from 'vitest'
import { endedSince, newsSince, noteShown } from './lastVisit'

const NOW = Date.UTC(2026, 10, 30, 12)
const [MINUTE, DAY] = [60_000, 86_400_000]
const visits = (since: number, left: number) => JSON.stringify({ since, left })
const keeps = (text: string | null) => ({ getItem: () => text })

describe('the news', () => {
  it.each([
    ['of a first visit', null, NOW - DAY],
    ['after nonsense', 'nonsense', NOW - DAY],
    ['after half of it', '{"since": 1}', NOW - DAY],
    ['after null', 'null', NOW - DAY],
    ['after a visit in the future', visits(NOW - DAY, NOW + 1), NOW - DAY],
    ['stays while the visit goes on', visits(NOW - DAY, NOW - 29 * MINUTE), NOW - DAY],
    ['begins with the end of the earlier visit', visits(NOW - DAY, NOW - 31 * MINUTE), NOW - 31 * MINUTE],
    ['never is older than two weeks', visits(NOW - 500 * DAY, NOW - 400 * DAY), NOW - 14 * DAY],
  ])('%s', (_, stored, since) => expect(newsSince(keeps(stored), NOW)).toBe(since))

  it('is kept by the browser', () => {
    const kept = new Map<string, string>()
    noteShown({ setItem: (key, text) => void kept.set(key, text) }, NOW - DAY, NOW)
    expect([...kept.values()]).toEqual([visits(NOW - DAY, NOW)])
  })
  it('is a filter that tells milliseconds apart', () => expect(endedSince(NOW + 7)).toBe('ended > 2026-11-30T12:00:00.007Z'))
})
