/** The difference of a value to that of a baseline. */
import { figure } from '$lib/ui/format'

export interface Difference {
  text: string
  tone: 'better' | 'worse' | 'none'
}

/** Signed and with an arrow: better or worse only where the metric has a direction. */
export function differenceTo(value: number | null, base: number | null, mode: string | null | undefined): Difference | null {
  if (value === null || base === null || !Number.isFinite(value) || !Number.isFinite(base)) return null
  const by = value - base
  if (by === 0) return { text: '= 0', tone: 'none' }
  const isBetter = by > 0 === (mode === 'max')
  const tone = mode !== 'min' && mode !== 'max' ? 'none' : isBetter ? 'better' : 'worse'
  return { text: `${by > 0 ? '▲ +' : '▼ −'}${figure(Math.abs(by), 3)}`, tone }
}
