import { expect, it } from 'vitest'
import { MILLIS_A_REQUEST, Turns } from './turns'

it('lets the first page send at once and the next after its requests', () => {
  const turns = new Turns(500, () => 10_000)
  expect([turns.take(2), turns.take(1), turns.take(1)]).toEqual([0, 1000, 1500])
})

it('saves up no turns while nobody asks', () => {
  let now = 0
  const turns = new Turns(500, () => now)
  turns.take(1)
  now = 60_000
  expect([turns.take(1), turns.take(1)]).toEqual([0, 500])
})

it('holds five busy pages to two requests a second', () => {
  let now = 0
  const turns = new Turns(MILLIS_A_REQUEST, () => now)
  const sent: number[] = []
  const pages = Array.from({ length: 5 }, () => ({ at: 0 }))
  for (; now < 60_000; now += 100) {
    for (const page of pages.filter(({ at }) => at <= now)) {
      const at = now + turns.take(2)
      sent.push(at, at)
      page.at = at + 1000 // a page reads again a second after it has read
    }
  }
  const inMinute = sent.filter((at) => at < 60_000)
  expect(inMinute.length).toBeLessThanOrEqual(2 * 60 + 2)
  expect(inMinute.length).toBeGreaterThanOrEqual(2 * 60 - 2)
})
