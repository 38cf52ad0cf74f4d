/** What checkpoints and artifacts take, added up by project. Pure. */
import type { StorageRow } from '$lib/api/types'

export interface ProjectStorage {
  project: string
  bytes: number
  checkpoints: number
  /** Files that runs keep, with their older versions. */
  artifacts: number
  pinned: number
  /** Bytes of deleted runs: they leave the disk with the trash. */
  deleted: number
  kinds: { kind: string; bytes: number; checkpoints: number }[]
}

/** A row for each project, the largest first. */
export function byProject(rows: readonly StorageRow[]): ProjectStorage[] {
  const projects = new Map<string, ProjectStorage>()
  for (const row of rows) {
    const sum = projects.get(row.project) ?? { project: row.project, bytes: 0, checkpoints: 0, artifacts: 0, pinned: 0, deleted: 0, kinds: [] }
    sum.bytes += row.bytes
    sum[row.kind === 'artifact' ? 'artifacts' : 'checkpoints'] += row.checkpoints
    sum.pinned += row.pinned_bytes ?? 0
    sum.deleted += row.deleted_bytes ?? 0
    sum.kinds.push({ kind: row.kind, bytes: row.bytes, checkpoints: row.checkpoints })
    projects.set(row.project, sum)
  }
  return [...projects.values()].sort((a, b) => b.bytes - a.bytes || (a.project < b.project ? -1 : 1))
}
