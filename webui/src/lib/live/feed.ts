/** The tracker's events, pushed where a stream can be had and polled where not. Nothing comes only by the stream: both
 * carry the same objects with the same sequence numbers, so each event is told once and in order. */

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
  /** One page of events after `after`, or where the log stands now when it is null. Throws SignedOut on 401. */
  page(after: number | null): Promise<FeedPage>
  stream(after: number, on: { open(): void; event(event: FeedEvent): void; error(): void }): Stream
}
export class SignedOut extends Error {}

export const POLL_MS = 2_000
export const CHECK_MS = 20_000
/** Before the next try of a stream, by how many failed in a row; one that carried for a while is opened again at once. */
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
  private silent = true // the stream has said nothing since the last check

  constructor(
    private readonly transport: Transport,
    private readonly tell: (message: FeedMessage) => void,
    private readonly clock: () => number = Date.now,
  ) {}

  start(): void {
    this.stop()
    this.failures = 0
    this.nextStreamAt = 0
    this.become('connecting')
    void this.poll(this.round)
  }

  stop(): void {
    this.round += 1
    clearTimeout(this.timer)
    this.open?.close()
    this.open = null
  }

  /** Asks for what is new; goes on with the stream where it can. While the stream is open this is the check that it
   * still carries: a connection may be dead without saying so. */
  private async poll(round: number): Promise<void> {
    try {
      const page = await this.transport.page(this.after)
      if (round !== this.round) return
      const missed = this.take(page)
      if (this.open && this.state === 'live' && missed && this.silent) this.dropStream()
      this.silent = true
      if (!this.open) this.goOn()
      this.wait(this.state === 'live' ? CHECK_MS : POLL_MS)
    } catch (error) {
      if (round !== this.round) return
      if (error instanceof SignedOut) return this.end()
      this.dropStream()
      this.become('reconnecting')
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
    this.become('signed_out')
  }

  private goOn(): void {
    if (this.clock() >= this.nextStreamAt) this.connect()
    else this.become('polling')
  }

  private connect(): void {
    const round = this.round
    const current = () => round === this.round && this.open === stream
    const stream = this.transport.stream(this.after!, {
      open: () => {
        if (!current()) return
        this.openedAt = this.clock()
        this.silent = false
        this.become('live')
        this.wait(CHECK_MS)
      },
      event: (event) => {
        if (!current()) return
        this.silent = false
        this.take({ events: [event], next: event.seq, gap: false })
      },
      error: () => {
        if (!current()) return
        this.dropStream()
        this.wait(0)
      },
    })
    this.open = stream
  }

  /** What the page is told follows from the poll that comes next: a server may end a stream in good order. */
  private dropStream(): void {
    if (!this.open) return
    this.open.close()
    this.open = null
    if (this.openedAt !== null && this.clock() - this.openedAt >= STABLE_MS) this.failures = 0
    this.openedAt = null
    this.nextStreamAt = this.clock() + RETRY_STREAM_MS[Math.min(this.failures, RETRY_STREAM_MS.length - 1)]!
    this.failures += 1
  }

  /** Passes on what was not told yet; answers whether there was any. */
  private take(page: FeedPage): boolean {
    const known = this.after
    const fresh = known === null ? [] : page.events.filter((event) => event.seq > known)
    this.after = Math.max(known ?? 0, page.next, ...page.events.map((event) => event.seq))
    if (page.gap) this.tell({ type: 'gap' })
    if (fresh.length > 0) this.tell({ type: 'events', events: fresh })
    return fresh.length > 0
  }

  private become(state: FeedState): void {
    if (state === this.state) return
    this.state = state
    this.tell({ type: 'state', state })
  }
}
