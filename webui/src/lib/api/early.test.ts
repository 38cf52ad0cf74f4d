import { afterEach, beforeEach, expect, it, vi } from 'vitest'

/** The client takes `fetch` and `Request` when its module is loaded; a browser's `Request` knows the page's address. */
const asked = vi.hoisted(() => {
  const asked: string[] = []
  const { Request } = globalThis
  vi.stubGlobal('location', new URL('http://localhost/r/a%20b'))
  vi.stubGlobal('Request', class extends Request {
    constructor(address: string, init?: RequestInit) {
      super(new URL(address, location.href), init)
    }
  })
  vi.stubGlobal('fetch', async (of: string | Request) => {
    asked.push(typeof of === 'string' ? of : of.url)
    return new Response('{}', { headers: { 'content-type': 'application/json' } })
  })
  return asked
})
import { firstRequests } from '$lib/workspace/firstRequests'
import { api } from './client'
import { forgetEarly, sendEarly } from './early'

beforeEach(() => void (asked.length = 0))
afterEach(forgetEarly)

const askAll = () => Promise.all([api.me(), api.run('a b'), api.metrics('a b')])

it('answers with what was asked early, and each answer once', async () => {
  sendEarly(firstRequests({ page: 'run', run: 'a b' }))
  expect(asked).toHaveLength(3)
  await askAll()
  expect(asked).toHaveLength(3)
  await askAll()
  expect(asked).toHaveLength(6)
})

it('gives no answer that was for somebody who was not signed in', async () => {
  sendEarly(['/api/v1/me'])
  forgetEarly()
  await api.me()
  expect(asked).toHaveLength(2)
})
