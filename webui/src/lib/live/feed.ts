/** The tracker's events: pushed by a stream where the browser can open one, else polled. Stream and polls carry the same
 * objects with the same sequence numbers, so the feed sends each event once and in order. */

export interface FeedEvent {
  seq: number
  kind: string
  project?: string | null
  run?: string | null
  data: Record<string, unknown>
  at: string
}
export interface FeedPage {
  events: FeedEvent[]
  next: number
  gap: boolean
}
export type FeedState = 'connecting' | 'live' | 'polling' | 'reconnecting' | 'signed_out'
export type FeedMessage =
  | { type: 'state'; state: FeedState }
  | { type: 'events'; events: FeedEvent[] }
  | { type: 'gap' } // events are missing: read the objects anew

/** An open stream; `close` ends it. */
export interface Stream {
  close(): void
}
export interface Transport {
  /** Reads one page of events after `after`; null reads the newest sequence number only. Throws SignedOut on status 401. */
  page(after: number | null): Promise<FeedPage>
  stream(after: number, on: { open(): void; event(event: FeedEvent): void; error(): void }): Stream
}
export class SignedOut extends Error {}

export const POLL_MS = 2_000
export const CHECK_MS = 20_000
/** Delay before the feed opens a stream again, by the failures in a row. A stream that lasted STABLE_MS resets them. */
const RETRY_STREAM_MS = [0, 5_000, 15_000, 30_000]
const STABLE_MS = 5_000

export class Feed {
  state: FeedState = 'connecting'
  private after: number | null = null
  private open: Stream | null = null
  private failures = 0
  private nextStreamAt = 0
  private openedAt: number | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private round = 0
  private isSilent = true // no event came by the stream since the last check

  constructor(
    private readonly transport: Transport,
    private readonly send: (message: FeedMessage) => void,
    private readonly clock: () => number = Date.now,
  ) {}

  start(): void {
    this.stop()
    this.failures = 0
    this.nextStreamAt = 0
    this.setState('connecting')
    void this.poll(this.round)
  }

  stop(): void {
    this.round += 1
    clearTimeout(this.timer)
    this.open?.close()
    this.open = null
  }

  /** Reads new events, and opens a stream where it can. While a stream is open, the poll checks it: a dead connection
   * raises no error. */
  private async poll(round: number): Promise<void> {
    try {
      const page = await this.transport.page(this.after)
      if (round !== this.round) return
      const isBehind = this.publish(page)
      if (this.open && this.state === 'live' && isBehind && this.isSilent) this.dropStream()
      this.isSilent = true
      if (!this.open) this.openStreamOrPoll()
      this.wait(this.state === 'live' ? CHECK_MS : POLL_MS)
    } catch (error) {
      if (round !== this.round) return
      if (error instanceof SignedOut) return this.end()
      this.dropStream()
      this.setState('reconnecting')
      this.wait(POLL_MS)
    }
  }

  private wait(millis: number): void {
    const round = this.round
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.poll(round), millis)
  }

  private end(): void {
    this.stop()
    this.setState('signed_out')
  }

  private openStreamOrPoll(): void {
    if (this.clock() >= this.nextStreamAt) this.connect()
    else this.setState('polling')
  }

  private connect(): void {
    const round = this.round
    const current = () => round === this.round && this.open === stream
    const stream = this.transport.stream(this.after!, {
      open: () => {
        if (!current()) return
        this.openedAt = this.clock()
        this.isSilent = false
        this.setState('live')
        this.wait(CHECK_MS)
      },
      event: (event) => {
        if (!current()) return
        this.isSilent = false
        this.publish({ events: [event], next: event.seq, gap: false })
      },
      error: () => {
        if (!current()) return
        this.dropStream()
        this.wait(0)
      },
    })
    this.open = stream
  }

  /** The next poll sets the state: a server may end a stream in good order. */
  private dropStream(): void {
    if (!this.open) return
    this.open.close()
    this.open = null
    if (this.openedAt !== null && this.clock() - this.openedAt >= STABLE_MS) this.failures = 0
    this.openedAt = null
    this.nextStreamAt = this.clock() + RETRY_STREAM_MS[Math.min(this.failures, RETRY_STREAM_MS.length - 1)]!
    this.failures += 1
  }

  /** Sends the events that are new; returns whether there were any. */
  private publish(page: FeedPage): boolean {
    const known = this.after
    const fresh = known === null ? [] : page.events.filter((event) => event.seq > known)
    this.after = Math.max(known ?? 0, page.next, ...page.events.map((event) => event.seq))
    if (page.gap) this.send({ type: 'gap' })
    if (fresh.length > 0) this.send({ type: 'events', events: fresh })
    return fresh.length > 0
  }

  private setState(state: FeedState): void {
    if (state === this.state) return
    this.state = state
    this.send({ type: 'state', state })
  }
}
