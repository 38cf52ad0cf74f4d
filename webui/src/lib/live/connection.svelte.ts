/** The page's end of the events: one shared stream for all tabs where the browser has SharedWorker, else one of its own. */
import { Feed, type FeedEvent, type FeedMessage, type FeedState } from './feed'
import { transport } from './transport'

type Listener = { events(events: FeedEvent[]): void; missed(): void }
const HIDDEN_MS = 30_000

class Connection {
  state: FeedState = $state('connecting')
  private listeners = new Set<Listener>()
  private line: { join(): void; leave(): void } | null = null
  private joined = false
  private hiding: ReturnType<typeof setTimeout> | undefined

  /** Starts listening; called once signed in. */
  start(): void {
    this.line ??= this.open()
    this.join()
    document.addEventListener('visibilitychange', this.turn)
    addEventListener('pagehide', this.leave)
  }

  stop(): void {
    this.leave()
    document.removeEventListener('visibilitychange', this.turn)
    removeEventListener('pagehide', this.leave)
  }

  /** `missed` is called when events may have been lost: read everything anew. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private open() {
    try {
      const name = 'keepbest-stream'
      const { port } = new SharedWorker(new URL('./stream.worker.ts', import.meta.url), { type: 'module', name })
      port.onmessage = ({ data }: MessageEvent<FeedMessage>) => this.hear(data)
      return { join: () => port.postMessage('join'), leave: () => port.postMessage('leave') }
    } catch {
      const feed = new Feed(transport, (message) => this.hear(message))
      return { join: () => feed.start(), leave: () => feed.stop() }
    }
  }

  private hear(message: FeedMessage): void {
    if (message.type === 'state') this.state = message.state
    else if (message.type === 'gap') this.listeners.forEach((listener) => listener.missed())
    else this.listeners.forEach((listener) => listener.events(message.events))
  }

  /** A hidden tab leaves after a while; coming back it reads everything anew. */
  private turn = (): void => {
    clearTimeout(this.hiding)
    if (document.hidden) this.hiding = setTimeout(this.leave, HIDDEN_MS)
    else if (!this.joined) {
      this.join()
      this.listeners.forEach((listener) => listener.missed())
    }
  }

  private join(): void {
    this.joined = true
    this.line?.join()
  }

  private leave = (): void => {
    if (!this.joined) return
    this.joined = false
    this.line?.leave()
  }
}

export const connection = new Connection()
