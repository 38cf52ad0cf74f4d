/** Fetches a part of the page ahead of its use. Where that fails, only whoever shows the part has to know. */
export function preload<T>(part: Promise<T>): Promise<T> {
  part.catch(() => {})
  return part
}
