/** Fetches a part of the page before it is shown. A failure is reported by the component that shows the part. */
export function preload<T>(part: Promise<T>): Promise<T> {
  part.catch(() => {})
  return part
}
