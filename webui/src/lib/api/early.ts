/** Requests that are sent before the parts of the page that ask for them have loaded. Each answer serves once, and not for long. */
import { client } from './client'

const KEPT_MS = 10_000
const sent = new Map<string, Promise<Response>>()

/** Sends GET requests to these addresses of the API. */
export function sendEarly(addresses: readonly string[]): void {
  for (const address of addresses) {
    const answer = fetch(address)
    answer.catch(() => {}) // whoever takes the answer hears of it
    sent.set(new URL(address, location.href).href, answer)
  }
  setTimeout(forgetEarly, KEPT_MS)
}

/** What was answered to somebody who was not signed in is no answer any more. */
export function forgetEarly(): void {
  sent.clear()
}

client.use({
  onRequest: ({ request }) => {
    const answer = request.method === 'GET' ? sent.get(request.url) : undefined
    sent.delete(request.url)
    return answer
  },
})
