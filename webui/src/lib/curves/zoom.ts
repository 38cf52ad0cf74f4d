/** A part of an axis, as an address holds it. */
export type Range = [number, number]

/** "1.5,20" -> [1.5, 20]; null for anything else. */
export function readRange(text: string): Range | null {
  const [from, to] = text.split(',').map(Number)
  return text && Number.isFinite(from) && Number.isFinite(to) && to! > from! ? [from!, to!] : null
}

export function writeRange(range: readonly [number, number] | null): string {
  return range ? range.map((x) => Number(x.toPrecision(8))).join(',') : ''
}
