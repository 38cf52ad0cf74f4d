import { expect, it } from 'vitest'
import { byProject } from './storage'

it('adds up the kinds of each project, the largest project first', () => {
  const row = (project: string, kind: string, bytes: number) => ({ project, kind, bytes, checkpoints: 1, pinned_bytes: 1, deleted_bytes: 2 })
  const [most, least, ...rest] = byProject([row('small', 'best', 5), row('large', 'best', 4), row('large', 'last', 3)])
  expect(rest).toEqual([])
  expect(most).toMatchObject({ project: 'large', bytes: 7, checkpoints: 2, pinned: 2, deleted: 4, kinds: [{ kind: 'best' }, { kind: 'last' }] })
  expect(least!.project).toBe('small')
})

it('counts artifacts apart from checkpoints', () => {
  const rows = ['best', 'artifact'].map((kind) => ({ project: 'p', kind, bytes: 5, checkpoints: 3, pinned_bytes: 0, deleted_bytes: 0 }))
  expect(byProject(rows)[0]).toMatchObject({ bytes: 10, checkpoints: 3, artifacts: 3 })
})
