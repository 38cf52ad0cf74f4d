/** When this browser last showed what has ended, so that the page tells what is new. */
const KEY = 'keepbest.seen'
const DAY_MS = 86_400_000
/** Older news is no news: the list would be the whole history. */
const OLDEST_MS = 14 * DAY_MS

/** The moment of the last visit in milliseconds; a day ago at the first one. */
export function lastSeen(storage: Pick<Storage, 'getItem'>, now: number): number {
  const stored = Number(storage.getItem(KEY) ?? NaN)
  if (!Number.isFinite(stored) || stored <= 0 || stored > now) return now - DAY_MS
  return Math.max(stored, now - OLDEST_MS)
}

export function markSeen(storage: Pick<Storage, 'setItem'>, now: number): void {
  storage.setItem(KEY, String(now))
}

/** The filter that finds the runs that have ended since then. */
export function endedSince(seen: number): string {
  return `ended > ${new Date(seen).toISOString().slice(0, 19)}Z`
}
