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
    ...(after.notes !== (before.notes ?? '') && { notes: after.notes }),
    ...(after.color !== (before.color ?? '') && { color: after.color }),
    ...(changes && { tag_changes: changes }),
  }
  return Object.keys(patch).length > 0 ? patch : null
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
