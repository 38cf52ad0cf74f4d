/** News: what has ended since the visit before this one. A visit goes on until the page was out of sight for a while, so that neither
 * a reload nor a look at a run takes the news away. */
const KEY = 'keepbest.visits'
const PAUSE_MS = 30 * 60_000
const DAY_MS = 86_400_000
/** Older news is no news: the list would be the whole history. */
const OLDEST_MS = 14 * DAY_MS

interface Visits {
  /** News begins here, in milliseconds of the tracker's clock. */
  since: number
  /** When the page last showed news. */
  left: number
}

/** The moment from which on something is news; a day ago at the first visit. */
export function newsSince(storage: Pick<Storage, 'getItem'>, now: number): number {
  const visits = read(storage.getItem(KEY))
  if (!visits || visits.left > now || visits.since > now) return now - DAY_MS
  return Math.max(now - visits.left > PAUSE_MS ? visits.left : visits.since, now - OLDEST_MS)
}

/** Notes that the news since then was shown now. */
export function noteShown(storage: Pick<Storage, 'setItem'>, since: number, now: number): void {
  storage.setItem(KEY, JSON.stringify({ since, left: now } satisfies Visits))
}

/** The filter that finds the runs that have ended since then. */
export function endedSince(since: number): string {
  return `ended > ${new Date(since).toISOString()}`
}

function read(text: string | null): Visits | null {
  try {
    const { since, left } = JSON.parse(text ?? '') as Partial<Visits>
    return Number.isFinite(since) && Number.isFinite(left) ? { since: since!, left: left! } : null
  } catch {
    return null
  }
}
