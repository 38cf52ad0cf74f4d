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
import { listQueryOf, pageQueryOf } from '$lib/workspace/runWindow.svelte'
import { readWorkspace } from '$lib/workspace/view'
import { search } from './search'
import { api } from './client'
import { forgetEarly, sendEarly } from './early'

beforeEach(() => void (asked.length = 0))
afterEach(forgetEarly)

const askAll = () => Promise.all([api.me(), api.run('a b'), api.metrics('a b')])

it('answers with what was asked early, and each answer once', async () => {
  sendEarly(firstRequests({ page: 'run', run: 'a b' }, ''))
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

it('asks early for the list as the page does', async () => {
  const query = '?q=loss%20%3C%201&group=active&sort=best'
  sendEarly(firstRequests({ page: 'runs', project: 'a/b' }, query))
  expect(asked).toHaveLength(3)
  await Promise.all([search.page(pageQueryOf('a/b', listQueryOf(readWorkspace(query), ''), { count: true })), search.fields('a/b')])
  expect(asked).toHaveLength(3)
})
