import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { search, type PageQuery } from '$lib/api/search'
import type { Run, RunPage } from '$lib/api/types'
import { connection } from '$lib/live/connection.svelte'
import type { FeedEvent } from '$lib/live/feed'
import { RunWindow, type ListQuery } from './runWindow.svelte'

const QUERY: ListQuery = { q: '', state: '', sort: 'number', order: 'desc', columns: '' }
let stored: Run[] = []
let send: (...events: Partial<FeedEvent>[]) => void
const page = vi.spyOn(search, 'page')

beforeEach(() => {
  vi.useFakeTimers()
  stored = Array.from({ length: 120 }, (_, index) => ({ id: `run${index}`, name: `old ${index}`, step: 0 }) as Run)
  page.mockReset().mockImplementation(answer)
  vi.spyOn(connection, 'turn').mockResolvedValue()
  vi.spyOn(connection, 'listen').mockImplementation(({ events }) => {
    send = (...some) => events(some.map((event) => ({ kind: 'run.progress', project: 'p', data: {}, at: '', seq: 1, ...event })))
    return () => {}
  })
})
afterEach(() => void vi.useRealTimers())

/** The stored runs, or those that the filter names; a cursor is the place of the next run. */
async function answer({ q, cursor, limit }: PageQuery): Promise<RunPage> {
  const named = q?.startsWith('id in') ? stored.filter(({ id }) => q.slice(7, -1).split(', ').includes(id)) : stored
  const from = Number(cursor ?? 0)
  return { runs: named.slice(from, from + limit), cursor: from + limit < named.length ? String(from + limit) : null, total: named.length } as RunPage
}

async function opened(): Promise<RunWindow> {
  const list = new RunWindow('p')
  list.show(QUERY)
  await vi.runAllTimersAsync()
  return list
}

it('has the new rows of every window after a refresh', async () => {
  const list = await opened()
  await list.more()
  expect(list.rows).toHaveLength(100)
  stored = stored.filter((_, index) => index % 2 === 1).map((run) => ({ ...run, name: `new ${run.id}` }))
  list.refresh()
  await vi.runAllTimersAsync()
  expect(list.rows.map(({ name }) => name)).toEqual(stored.map(({ name }) => name))
  expect(list.hasMore).toBe(false)
})

it('loses no row of a long list to new runs, and keeps none of those that went', async () => {
  const rows = (first: number, last: number) => Array.from({ length: last - first }, (_, index) => ({ id: `run${last - 1 - index}` }) as Run)
  stored = rows(0, 1300)
  const list = await opened()
  while (list.hasMore) await list.more()
  stored = rows(0, 1310)
  list.refresh()
  await vi.runAllTimersAsync()
  expect(list.rows.map(({ id }) => id)).toEqual(stored.map(({ id }) => id))
  stored = rows(400, 1310)
  list.refresh()
  await vi.runAllTimersAsync()
  expect(list.rows).toHaveLength(910)
})

it('asks once for a run that the tracker does not have', async () => {
  const list = await opened()
  page.mockClear()
  for (let turn = 0; turn < 3; turn++) {
    list.keep(['nobody', 'run119'])
    await vi.runAllTimersAsync()
  }
  expect(page).toHaveBeenCalledTimes(1)
  expect([...list.kept.keys()]).toEqual(['run119'])
})

it('draws no older event over an edit', async () => {
  const list = await opened()
  send({ run: 'run1', data: { step: 1 } })
  send({ run: 'run1', data: { step: 2 } })
  list.put({ ...stored[1]!, name: 'renamed', step: 2 })
  await vi.runAllTimersAsync()
  expect(list.rows[1]).toMatchObject({ name: 'renamed', step: 2 })
})
