/** The feed's requests to the tracker: fetch and EventSource with the session's cookie, in a page and in a worker. */
import { SignedOut, type FeedEvent, type FeedPage, type Transport } from './feed'

const EVENTS = '/api/v1/events'
const STREAM = '/api/v1/stream'

export const transport: Transport = {
  async page(after) {
    const query = after === null ? '' : `?after=${after}`
    const response = await fetch(EVENTS + query, { headers: { accept: 'application/json' } })
    if (response.status === 401) throw new SignedOut()
    if (!response.ok) throw new Error(`The tracker answered with HTTP status ${response.status}.`)
    return (await response.json()) as FeedPage
  },

  stream(after, on) {
    const source = new EventSource(`${STREAM}?after=${after}`)
    source.addEventListener('open', () => on.open())
    source.addEventListener('message', (message) => on.event(JSON.parse(message.data as string) as FeedEvent))
    source.addEventListener('error', () => on.error())
    return { close: () => source.close() }
  },
}
