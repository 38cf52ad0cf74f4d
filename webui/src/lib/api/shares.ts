/** Requests about read-only links. */
import { client, request } from './client'
import type { Share } from './types'

/** What a link shows: a run, or the runs of a project that a filter means; `query` is what the page's address holds. */
export type Shown = { run: string; query?: string } | { project: string; q: string; query: string }

export const shares = {
  list: async (): Promise<Share[]> => (await request(client.GET('/api/v1/shares'))).shares,
  /** Only this answer holds the link's `path`. */
  make: (shown: Shown, days: number): Promise<Share> =>
    request(client.POST('/api/v1/shares', { body: { name: null, run: null, project: null, q: '', query: '', ...shown, days } })),
  end: (share: string) => request(client.DELETE('/api/v1/shares/{share}', { params: { path: { share } } })),
}
