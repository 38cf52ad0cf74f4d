/** The page's connection to the tracker's events: one stream shared by all tabs where the browser has SharedWorker, else a stream of its own. */
import { Feed, type FeedEvent, type FeedMessage, type FeedState } from './feed'
import { transport } from './transport'

/** `gap` says that events may have been lost: the listener reads everything anew. */
type Listener = { events(events: FeedEvent[]): void; gap(): void }
const HIDDEN_MS = 30_000

class Connection {
  state: FeedState = $state('connecting')
  private listeners = new Set<Listener>()
  private feed: { join(): void; leave(): void } | null = null
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

  private openFeed() {
    try {
      const name = 'keepbest-stream'
      const { port } = new SharedWorker(new URL('./stream.worker.ts', import.meta.url), { type: 'module', name })
      port.onmessage = ({ data }: MessageEvent<FeedMessage>) => this.receive(data)
      return { join: () => port.postMessage('join'), leave: () => port.postMessage('leave') }
    } catch {
      const feed = new Feed(transport, (message) => this.receive(message))
      return { join: () => feed.start(), leave: () => feed.stop() }
    }
  }

  private receive(message: FeedMessage): void {
    if (message.type === 'state') this.state = message.state
    else if (message.type === 'gap') this.listeners.forEach((listener) => listener.gap())
    else this.listeners.forEach((listener) => listener.events(message.events))
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
