import { expect, it } from 'vitest'
import { patchOf, patchOfField, patchOfNotes, readTags } from './edit'

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

it('adds notes below those of others, and replaces only what was changed', () => {
  expect(patchOfNotes('', 'mine')).toEqual({ more_notes: 'mine' })
  expect(patchOfNotes('a', 'a\nb')).toEqual({ more_notes: 'b' })
  expect(patchOfNotes('a', 'ab')).toEqual({ notes: 'ab' })
  expect(patchOfNotes('a', '')).toEqual({ notes: '' })
  expect(patchOfNotes('a', 'a')).toEqual({})
})

it('sends of a field in the row only what the person changed', () => {
  expect(patchOfField('tags', 'a, b', 'a, c')).toEqual({ tag_changes: { add: ['c'], remove: ['b'] } })
  expect(patchOfField('tags', 'a, b', 'b,a')).toBeNull()
  expect(patchOfField('name', 'first', '')).toBeNull()
  expect(patchOfField('name', 'first', 'second')).toEqual({ name: 'second' })
})
