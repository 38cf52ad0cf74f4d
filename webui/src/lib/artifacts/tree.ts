/** The files of a run as the rows of a tree: folders first, each with the sum of what lies in it. */
import type { Artifact } from '$lib/api/types'

export interface TreeRow {
  path: string
  name: string
  depth: number
  /** Bytes, and files, of a folder all that lie below it. */
  size: number
  files: number
  /** Null for a folder. */
  artifact: Artifact | null
  isOpen: boolean
}

interface Folder {
  size: number
  files: number
  folders: Map<string, Folder>
  artifacts: Map<string, Artifact>
}

/** The rows in sight while the folders in `closed` are closed. */
export function treeRows(artifacts: readonly Artifact[], closed: ReadonlySet<string>): TreeRow[] {
  const root = newFolder()
  for (const artifact of artifacts) place(root, artifact)
  return [...rowsOf(root, '', 0, closed)]
}

/** The folders of all files, so that all can be closed at once. */
export function foldersOf(artifacts: readonly Artifact[]): Set<string> {
  const folders = new Set<string>()
  for (const { path } of artifacts) {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) folders.add(path.slice(0, end))
  }
  return folders
}

function newFolder(): Folder {
  return { size: 0, files: 0, folders: new Map(), artifacts: new Map() }
}

function place(root: Folder, artifact: Artifact): void {
  const names = artifact.path.split('/')
  const file = names.pop()!
  let folder = root
  for (const name of names) {
    if (!folder.folders.has(name)) folder.folders.set(name, newFolder())
    folder = folder.folders.get(name)!
    folder.size += artifact.size_bytes
    folder.files += 1
  }
  folder.artifacts.set(file, artifact)
}

function* rowsOf(folder: Folder, above: string, depth: number, closed: ReadonlySet<string>): Generator<TreeRow> {
  for (const [name, inner] of sorted(folder.folders)) {
    const path = above + name
    const isOpen = !closed.has(path)
    yield { path, name, depth, size: inner.size, files: inner.files, artifact: null, isOpen }
    if (isOpen) yield* rowsOf(inner, `${path}/`, depth + 1, closed)
  }
  for (const [name, artifact] of sorted(folder.artifacts)) {
    yield { path: artifact.path, name, depth, size: artifact.size_bytes, files: 1, artifact, isOpen: false }
  }
}

const order = new Intl.Collator(undefined, { numeric: true })

function sorted<T>(entries: ReadonlyMap<string, T>): [string, T][] {
  return [...entries].sort(([a], [b]) => order.compare(a, b) || (a < b ? -1 : 1))
}
