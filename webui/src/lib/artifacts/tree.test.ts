import { expect, it } from 'vitest'
import { foldersOf, treeRows } from './tree'
import type { Artifact } from '$lib/api/types'

const file = (path: string, size_bytes = 10) => ({ path, size_bytes, id: path }) as Artifact
const files = [file('b.txt'), file('plots/roc.png', 5), file('plots/10.png'), file('plots/2.png'), file('plots/deep/x', 1), file('a.txt')]

it('puts folders first and sorts names as people count', () => {
  expect(treeRows(files, new Set()).map(({ path, depth }) => [path, depth])).toEqual([
    ['plots', 0], ['plots/deep', 1], ['plots/deep/x', 2], ['plots/2.png', 1], ['plots/10.png', 1], ['plots/roc.png', 1], ['a.txt', 0], ['b.txt', 0],
  ])
})

it('sums what lies in a folder, and hides it while the folder is closed', () => {
  const rows = treeRows(files, new Set(['plots']))
  expect(rows.map(({ path }) => path)).toEqual(['plots', 'a.txt', 'b.txt'])
  expect(rows[0]).toMatchObject({ size: 26, files: 4, isOpen: false, artifact: null })
})

it('takes any name for what it is', () => {
  const odd = [file('__proto__/constructor'), file('<img src=x onerror=alert(1)>'), file('toString')]
  expect(treeRows(odd, new Set()).map(({ name }) => name)).toEqual(['__proto__', 'constructor', '<img src=x onerror=alert(1)>', 'toString'])
})

it('names every folder', () => {
  expect([...foldersOf(files)]).toEqual(['plots', 'plots/deep'])
})
