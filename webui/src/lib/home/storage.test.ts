import { expect, it } from 'vitest'
import { byProject } from './storage'

it('adds up the kinds of each project, the largest project first', () => {
  const row = (project: string, kind: string, bytes: number) => ({ project, kind, bytes, checkpoints: 1, pinned_bytes: 1, deleted_bytes: 2 })
  const [most, least, ...rest] = byProject([row('small', 'best', 5), row('large', 'best', 4), row('large', 'last', 3)])
  expect(rest).toEqual([])
  expect(most).toMatchObject({ project: 'large', bytes: 7, checkpoints: 2, pinned: 2, deleted: 4, kinds: [{ kind: 'best' }, { kind: 'last' }] })
  expect(least!.project).toBe('small')
})
