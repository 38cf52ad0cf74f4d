/** Requests about the service: what runs over all projects, the disk, the trash, users, the audit log. */
import { client, request } from './client'
import type { AuditEntry, DeletedRun, Queue, Role, RunPage, StoredCheckpoints, Token, User } from './types'

export const admin = {
  /** Runs of every project in these states, and how many there are; `q` is a filter. */
  runs: (query: { state?: string; q?: string; sort?: string; limit: number }): Promise<RunPage> =>
    request(client.GET('/api/v1/runs', { params: { query: { ...query, count: true } } })),
  /** The first queued runs in the order in which workers take them, and how many there are. */
  queue: (): Promise<Queue> => request(client.GET('/api/v1/queue', { params: { query: { limit: 200 } } })),
  /** Puts a queued run directly before or after another one. */
  placeInQueue: (run: string, place: { before: string } | { after: string }) =>
    request(client.PUT('/api/v1/queue/{run}', { params: { path: { run } }, body: { before: null, after: null, ...place } })),
  storage: (): Promise<StoredCheckpoints> => request(client.GET('/api/v1/storage')),
  /** What the garbage collector would free, or frees. */
  collect: (dry_run: boolean) => request(client.POST('/api/v1/checkpoints/collect', { body: { dry_run } })),
  trash: (cursor?: string): Promise<{ runs: DeletedRun[]; cursor?: string | null }> => request(client.GET('/api/v1/trash', { params: { query: { cursor } } })),
  audit: (cursor?: string): Promise<{ entries: AuditEntry[]; cursor?: string | null }> => request(client.GET('/api/v1/audit', { params: { query: { cursor, limit: 100 } } })),
  addUser: (name: string, role: Role): Promise<User> => request(client.POST('/api/v1/users', { body: { name, role } })),
  changeUser: (user: string, patch: { role?: Role; is_disabled?: boolean }): Promise<User> =>
    request(client.PATCH('/api/v1/users/{user}', { params: { path: { user } }, body: { role: null, is_disabled: null, ...patch } })),
  tokenFor: (user: string, name: string, role: Role | null, days: number | null): Promise<Token> =>
    request(client.POST('/api/v1/tokens', { body: { name, user, role, expires_in_days: days } })),
}
