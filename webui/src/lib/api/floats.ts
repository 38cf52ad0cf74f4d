/** Floats that JSON cannot carry arrive as the strings "NaN", "Infinity", "-Infinity". */
export type WireFloat = number | string | null | undefined

export function numberOf(value: WireFloat): number | null {
  return value === null || value === undefined ? null : Number(value)
}
