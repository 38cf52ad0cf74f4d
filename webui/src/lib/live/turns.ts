/** Gives out turns to send requests, first come, first served: so many pages share a few requests a second. */
export class Turns {
  private freeAt = 0

  constructor(
    private readonly millis: number,
    private readonly clock: () => number = Date.now,
  ) {}

  /** Returns how many milliseconds to wait before so many requests. */
  take(requests: number): number {
    const now = this.clock()
    const at = Math.max(now, this.freeAt)
    this.freeAt = at + requests * this.millis
    return at - now
  }
}

/** Two requests a second, of all tabs together. */
export const MILLIS_A_REQUEST = 500
