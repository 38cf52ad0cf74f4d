/** Headers have whole seconds, and answers take time: less says nothing about the clocks. */
const NOTICEABLE_MS = 5_000

/** How far the tracker's clock is ahead of this machine's, by the `Date` of an answer; 0 where the two agree, null where the answer does not tell. */
export function aheadBy(headers: Pick<Headers, 'get'>, here: number): number | null {
  const there = Date.parse(headers.get('date') ?? '')
  if (Number.isNaN(there) || headers.get('cache-control')?.includes('immutable')) return null // a kept answer has the date of its first reading
  return Math.abs(there - here) < NOTICEABLE_MS ? 0 : there - here
}

/** The tracker's time in epoch seconds, updated once a second: for ages and durations. Every moment that the page shows is the tracker's. */
class Clock {
  now = $state(Date.now() / 1000)
  private ahead = 0

  /** Begins to tick, where the page is in sight. */
  start(): void {
    setInterval(() => {
      if (!document.hidden) this.tick()
    }, 1000)
  }

  /** Learns from an answer of the tracker how the two clocks differ. */
  hear(headers: Pick<Headers, 'get'>): void {
    const ahead = aheadBy(headers, Date.now())
    if (ahead === null || Math.abs(ahead - this.ahead) < NOTICEABLE_MS) return
    this.ahead = ahead
    this.tick()
  }

  /** The present moment in milliseconds, also where the page was out of sight. */
  millis(): number {
    return Date.now() + this.ahead
  }

  private tick(): void {
    this.now = this.millis() / 1000
  }
}

export const clock = new Clock()
