/** The colour of a run, from its number in the project: the same on every page and in every tab.
 * Twelve hues that colour-blind people can tell apart (after Okabe & Ito and Tol), then the same with dashes. */
const LIGHT = [
  '#0072b2', '#c2570c', '#00805a', '#a3478a', '#7a5c00', '#2b7bba',
  '#882255', '#117733', '#5b4fc4', '#aa3c00', '#44677a', '#6b6b00',
] as const
const DARK = [
  '#5ab4f0', '#f5a05a', '#3ecf9e', '#e59acb', '#e6c229', '#8fd0ff',
  '#e0729f', '#7bd389', '#a79bf5', '#ff9e7a', '#9fc0d2', '#cfcf6a',
] as const
const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [8, 3, 2, 3]]

export interface LineColor {
  color: string
  dash: readonly number[]
}

/** A run's colour: the one that a person chose, or that of its number. */
export function lineOfRun(run: { number: number; color?: string | null }, dark: boolean): LineColor {
  return run.color ? { color: run.color, dash: [] } : runColor(run.number, dark)
}

export function runColor(number: number, dark: boolean): LineColor {
  const hues = dark ? DARK : LIGHT
  const index = Math.max(0, number - 1)
  return { color: hues[index % hues.length]!, dash: DASHES[Math.floor(index / hues.length) % DASHES.length]! }
}
