/** One stream for all tabs of a browser: over HTTP/1.1 a browser opens six connections to a server, and a seventh tab would
 * wait for ever. Tabs join and leave; the last tab that leaves closes the stream. */
import { Feed, type FeedMessage } from './feed'
import { transport } from './transport'

interface Scope {
  onconnect: ((event: MessageEvent) => void) | null
}

const tabs = new Set<MessagePort>()
const feed = new Feed(transport, (message) => tabs.forEach((tab) => tab.postMessage(message)))

function join(tab: MessagePort): void {
  tabs.add(tab)
  if (tabs.size === 1 || feed.state === 'signed_out') feed.start()
  tab.postMessage({ type: 'state', state: feed.state } satisfies FeedMessage)
}

function leave(tab: MessagePort): void {
  if (tabs.delete(tab) && tabs.size === 0) feed.stop()
}

;(globalThis as unknown as Scope).onconnect = (event) => {
  const tab = event.ports[0]!
  tab.onmessage = ({ data }: MessageEvent<'join' | 'leave'>) => (data === 'join' ? join(tab) : leave(tab))
  tab.addEventListener('close', () => leave(tab))
}
