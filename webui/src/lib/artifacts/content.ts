/** Fetches the beginning of an artifact. Its bytes become text and pictures here, never markup. */
import { ApiError } from '$lib/api/client'
import type { Artifact } from '$lib/api/types'

export const TEXT_BYTES = 256 * 1024
export const TABLE_BYTES = 8 * 1024 * 1024
/** Types that a browser draws without running anything; the tracker sends every other file as plain bytes. */
const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/bmp'])
const PICTURE_BYTES = 32 * 1024 * 1024

export type Shape = 'text' | 'table' | 'picture' | 'empty' | 'other'

/** How the page shows a file. */
export function shapeOf({ kind, media_type, size_bytes }: Artifact): Shape {
  if (size_bytes === 0) return 'empty'
  if (PICTURES.has(media_type)) return size_bytes <= PICTURE_BYTES ? 'picture' : 'other'
  if (kind === 'table') return media_type === 'application/json' && size_bytes > TABLE_BYTES ? 'other' : 'table'
  return kind === 'text' ? 'text' : 'other'
}

/** The address of a file, of this very version. */
export function addressOf({ run, path, version }: Pick<Artifact, 'run' | 'path' | 'version'>): string {
  return `/api/v1/runs/${run}/artifacts/${path.split('/').map(encodeURIComponent).join('/')}?version=${version}`
}

/** Returns the first bytes of a file as text; null where they are no text. */
export async function readText(artifact: Artifact, bytes: number, signal: AbortSignal): Promise<string | null> {
  const headers: HeadersInit = artifact.size_bytes > bytes ? { Range: `bytes=0-${bytes - 1}` } : {}
  const response = await fetch(addressOf(artifact), { headers, signal })
  if (!response.ok) throw new ApiError(response.status, 'internal', `The tracker answered with HTTP status ${response.status}.`)
  const text = new TextDecoder().decode(await response.arrayBuffer())
  return text.includes('\0') ? null : text
}
