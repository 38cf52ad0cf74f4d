import { expect, it } from 'vitest'
import { patchOf, readTags } from './edit'

const RUN = { name: 'first', tags: ['old', 'team', 'team=red'], notes: 'a', color: '' }

it('sends only what the person changed', () => {
  expect(patchOf(RUN, RUN)).toBeNull()
  expect(patchOf(RUN, { ...RUN, name: 'second', color: '#00ff00' })).toEqual({ name: 'second', color: '#00ff00' })
  expect(patchOf(RUN, { ...RUN, notes: '' })).toEqual({ notes: '' })
})

it('sends tags as what is put on and taken away', () => {
  expect(patchOf(RUN, { ...RUN, tags: ['team', 'team=red', 'new'] })).toEqual({ tag_changes: { add: ['new'], remove: ['old'] } })
  expect(patchOf(RUN, { ...RUN, tags: ['old', 'team=red'] })).toEqual({ tag_changes: { add: ['team=red'], remove: ['team'] } })
})

it('reads tags between commas, each once', () => {
  expect(readTags(' a, b=1,, a ')).toEqual(['a', 'b=1'])
})
