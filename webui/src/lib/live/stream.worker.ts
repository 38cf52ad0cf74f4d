/** One stream for all tabs of a browser, and turns for what they read again: over HTTP/1.1 a browser opens six connections to a server, and a seventh tab would
 * wait for ever. Tabs join and leave; the last tab that leaves closes the stream. */
import { Feed, type FeedMessage } from './feed'
import { transport } from './transport'
import { MILLIS_A_REQUEST, Turns } from './turns'

/** What a tab says: that it is there, that it goes, or that it wants a turn to send requests. */
export type TabMessage = 'join' | 'leave' | { turn: number; requests: number }
export type TurnMessage = { type: 'turn'; turn: number }

interface Scope {
  onconnect: ((event: MessageEvent) => void) | null
}

const tabs = new Set<MessagePort>()
const feed = new Feed(transport, (message) => tabs.forEach((tab) => tab.postMessage(message)))

const turns = new Turns(MILLIS_A_REQUEST)

function join(tab: MessagePort): void {
  tabs.add(tab)
  if (tabs.size === 1 || feed.state === 'signed_out') feed.start()
  tab.postMessage({ type: 'state', state: feed.state } satisfies FeedMessage)
}

function leave(tab: MessagePort): void {
  if (tabs.delete(tab) && tabs.size === 0) feed.stop()
}

function giveTurn(tab: MessagePort, turn: number, requests: number): void {
  setTimeout(() => tab.postMessage({ type: 'turn', turn } satisfies TurnMessage), turns.take(requests))
}

;(globalThis as unknown as Scope).onconnect = (event) => {
  const tab = event.ports[0]!
  tab.onmessage = ({ data }: MessageEvent<TabMessage>) => {
    if (data === 'join') join(tab)
    else if (data === 'leave') leave(tab)
    else giveTurn(tab, data.turn, data.requests)
  }
  tab.addEventListener('close', () => leave(tab))
}
