/** The rows of a long list that need to be in the document. */
export interface VisibleRows {
  first: number
  last: number // exclusive
  top: number // pixels above `first`
  height: number // pixels of the whole list
}

const OVERSCAN = 6

/** Which of `count` rows of `rowHeight` pixels show in a viewport. `scrollTop` is clamped to the list as it is now: after a
 * filter has shortened it, the browser still reports where it stood, and a window beyond the end would be empty. */
export function visibleRows(count: number, rowHeight: number, scrollTop: number, viewport: number): VisibleRows {
  const height = count * rowHeight
  const top = Math.min(Math.max(0, scrollTop), Math.max(0, height - viewport))
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN)
  const last = Math.min(count, Math.ceil((top + viewport) / rowHeight) + OVERSCAN)
  return { first, last, top: first * rowHeight, height }
}

/** Where to scroll so that row `index` can be seen, or null when it is in view. */
export function scrollFor(index: number, rowHeight: number, scrollTop: number, viewport: number): number | null {
  const top = index * rowHeight
  if (top < scrollTop) return top
  if (top + rowHeight > scrollTop + viewport) return top + rowHeight - viewport
  return null
}
