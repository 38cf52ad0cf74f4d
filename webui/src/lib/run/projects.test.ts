import { expect, it } from 'vitest'
import { arrangeProjects } from './projects'
import type { Project } from '$lib/api/types'

const project = (name: string, runs: number, day: number, description = '') =>
  ({ name, runs, description, active: 0, updated_at: `2026-01-0${day}T00:00:00Z` }) as Project
const PROJECTS = [project('vision', 3, 1), project('digits', 900, 3, 'Handwritten'), project('学習', 1, 2)]

it.each([
  ['', 'updated', ['digits', '学習', 'vision']],
  ['', 'name', ['digits', 'vision', '学習']],
  ['', 'runs', ['digits', 'vision', '学習']],
  ['HAND digit', 'updated', ['digits']],
  ['学', 'updated', ['学習']],
  ['nothing', 'updated', []],
  ['', 'constructor', ['digits', '学習', 'vision']],
])('%j by %s', (q, sort, names) => expect(arrangeProjects(PROJECTS, { q, sort }).map(({ name }) => name)).toEqual(names))
