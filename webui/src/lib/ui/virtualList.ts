/** The rows of a long list that the document must hold. */
export interface VisibleRows {
  first: number
  last: number // exclusive
  top: number // pixels above `first`
  height: number // pixels of the whole list
}

const OVERSCAN = 6

/** Returns which of `count` rows of `rowHeight` pixels a viewport shows. `scrollTop` is clamped to the length of the list:
 * after a filter shortened the list, the browser still reports the old position, and the page would be empty. */
export function visibleRows(count: number, rowHeight: number, scrollTop: number, viewport: number): VisibleRows {
  const height = count * rowHeight
  const top = Math.min(Math.max(0, scrollTop), Math.max(0, height - viewport))
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN)
  const last = Math.min(count, Math.ceil((top + viewport) / rowHeight) + OVERSCAN)
  return { first, last, top: first * rowHeight, height }
}

/** Returns the position that shows row `index`, or null when the row is in view. */
export function scrollFor(index: number, rowHeight: number, scrollTop: number, viewport: number): number | null {
  const top = index * rowHeight
  if (top < scrollTop) return top
  if (top + rowHeight > scrollTop + viewport) return top + rowHeight - viewport
  return null
}
