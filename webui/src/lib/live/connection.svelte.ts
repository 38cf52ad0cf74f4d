/** The page's connection to the tracker's events: one stream shared by all tabs where the browser has SharedWorker, else a stream of its own. */
import { Feed, type FeedEvent, type FeedMessage, type FeedState } from './feed'
import type { TabMessage, TurnMessage } from './stream.worker'
import { Throttle } from './throttle'
import { transport } from './transport'
import { MILLIS_A_REQUEST, Turns } from './turns'

/** `gap` says that events may have been lost: the listener reads everything anew. `opened` says that events come from now on. */
type Listener = { events(events: FeedEvent[]): void; gap(): void; opened?(): void }
const HIDDEN_MS = 30_000
/** A page that got no turn for so long reads all the same. */
const TURN_PATIENCE_MS = 10_000

/** What brings the events and gives out turns: the worker that all tabs share, or this tab alone. */
interface Source {
  join(): void
  leave(): void
  ask(turn: number, requests: number): void
}

class Connection {
  state: FeedState = $state('connecting')
  private listeners = new Set<Listener>()
  private feed: Source | null = null
  private turns = new Map<number, () => void>()
  private turnCount = 0
  private isJoined = false
  private hiddenTimer: ReturnType<typeof setTimeout> | undefined

  /** The session calls it after a sign-in. */
  start(): void {
    this.feed ??= this.openFeed()
    this.join()
    document.addEventListener('visibilitychange', this.onVisibilityChange)
    addEventListener('pagehide', this.leave)
  }

  stop(): void {
    this.leave()
    document.removeEventListener('visibilitychange', this.onVisibilityChange)
    removeEventListener('pagehide', this.leave)
  }

  /** Returns the function that removes the listener. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Waits until the page may read again after an event: so many requests, while it is in sight. */
  async turn(requests: number): Promise<void> {
    if (document.hidden) await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }))
    const turn = ++this.turnCount
    await new Promise<void>((resolve) => {
      this.turns.set(turn, resolve)
      if (this.feed) this.feed.ask(turn, requests)
      else this.endTurn(turn)
      setTimeout(() => this.endTurn(turn), TURN_PATIENCE_MS)
    })
  }

  private endTurn(turn: number): void {
    this.turns.get(turn)?.()
    this.turns.delete(turn)
  }

  private openFeed(): Source {
    try {
      const name = 'keepbest-stream'
      const { port } = new SharedWorker(new URL('./stream.worker.ts', import.meta.url), { type: 'module', name })
      const send = (message: TabMessage) => port.postMessage(message)
      port.onmessage = ({ data }: MessageEvent<FeedMessage | TurnMessage>) => (data.type === 'turn' ? this.endTurn(data.turn) : this.receive(data))
      return { join: () => send('join'), leave: () => send('leave'), ask: (turn, requests) => send({ turn, requests }) }
    } catch {
      const feed = new Feed(transport, (message) => this.receive(message))
      const turns = new Turns(MILLIS_A_REQUEST)
      const ask = (turn: number, requests: number) => void setTimeout(() => this.endTurn(turn), turns.take(requests))
      return { join: () => feed.start(), leave: () => feed.stop(), ask }
    }
  }

  private receive(message: FeedMessage): void {
    if (message.type === 'state') this.enter(message.state)
    else if (message.type === 'gap') this.listeners.forEach((listener) => listener.gap())
    else this.listeners.forEach((listener) => listener.events(message.events))
  }

  private enter(state: FeedState): void {
    const isFirst = this.state === 'connecting' && (state === 'live' || state === 'polling')
    this.state = state
    if (isFirst) this.listeners.forEach((listener) => listener.opened?.())
  }

  /** A hidden tab leaves after a while; when it is shown again, its listeners read everything anew. */
  private onVisibilityChange = (): void => {
    clearTimeout(this.hiddenTimer)
    if (document.hidden) this.hiddenTimer = setTimeout(this.leave, HIDDEN_MS)
    else if (!this.isJoined) {
      this.join()
      this.listeners.forEach((listener) => listener.gap())
    }
  }

  private join(): void {
    this.isJoined = true
    this.feed?.join()
  }

  private leave = (): void => {
    if (!this.isJoined) return
    this.isJoined = false
    this.feed?.leave()
  }
}

export const connection = new Connection()

/** Reads again after events, at most once in `millis`, and in turn with the other pages; `requests` says how many requests one reading is. */
export function readInTurn(millis: number, read: () => Promise<void>, requests: () => number = () => 1): Throttle {
  return new Throttle(millis, async () => {
    await connection.turn(requests())
    await read()
  })
}
