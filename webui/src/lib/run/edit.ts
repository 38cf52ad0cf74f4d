/** What a person changed on a run, as a patch that keeps what others change at the same time. */
import type { Run, RunPatch } from '$lib/api/types'

export interface Edited {
  name: string
  tags: readonly string[]
  notes: string
  color: string
}

/** The fields that differ from the run as it was when the person began; null where nothing does. */
export function patchOf(before: Pick<Run, 'name' | 'tags' | 'notes' | 'color'>, after: Edited): Partial<RunPatch> | null {
  const changes = tagChanges(before.tags ?? [], after.tags)
  const patch: Partial<RunPatch> = {
    ...(after.name !== before.name && { name: after.name }),
    ...patchOfNotes(before.notes ?? '', after.notes),
    ...(after.color !== (before.color ?? '') && { color: after.color }),
    ...(changes && { tag_changes: changes }),
  }
  return Object.keys(patch).length > 0 ? patch : null
}

/** Notes as a patch: what was only written below them is added below whatever others wrote meanwhile. */
export function patchOfNotes(before: string, after: string): { notes?: string; more_notes?: string } {
  if (after === before) return {}
  const start = before && `${before}\n`
  return after.startsWith(start) ? { more_notes: after.slice(start.length) } : { notes: after }
}

/** What of a run is changed in its row. */
export type EditedField = 'name' | 'tags' | 'notes'

/** One field as a person found it and left it, as a patch; null where nothing is to be sent. A run keeps its name. */
export function patchOfField(field: EditedField, before: string, after: string): Partial<RunPatch> | null {
  const plain = { name: '', tags: [], notes: '', color: '' }
  if (field === 'tags') return patchOf({ ...plain, tags: readTags(before) }, { ...plain, tags: readTags(after) })
  return field === 'name' && after === '' ? null : patchOf({ ...plain, [field]: before }, { ...plain, [field]: after })
}

/** "vision, team=red" as tags, each once. */
export function readTags(text: string): string[] {
  return [...new Set(text.split(',').map((tag) => tag.trim()).filter(Boolean))]
}

/** What makes the tags `after` of the tags `before`: a word that goes takes `word=…` with it, so such tags are put on again. */
function tagChanges(before: readonly string[], after: readonly string[]): { add: string[]; remove: string[] } | null {
  const remove = before.filter((tag) => !after.includes(tag))
  const add = after.filter((tag) => !before.includes(tag) || remove.some((word) => tag.startsWith(`${word}=`)))
  return add.length + remove.length > 0 ? { add, remove } : null
}
