/** Numbers, sizes and times as people read them. `keepbest/figures.py` is its twin; both pass `tests/support/figures.json`.
 * The browser's language changes nothing: a page, a terminal and a report show the same text. */
import { numberOf, type WireFloat } from '$lib/api/floats'

const LEAST = 1e-4
const MOST = 1e9

/** Six significant digits: enough to tell two validations apart, short enough for a table, without the dust of a float32. */
export function figure(value: WireFloat, digits = 6): string {
  const number = numberOf(value)
  if (number === null) return '–'
  if (!Number.isFinite(number)) return String(number)
  const size = Math.abs(number)
  if (Number.isInteger(number) && size < MOST) return String(number)
  if (size >= LEAST && size < MOST) return String(Number(number.toPrecision(digits)))
  return number.toExponential(digits - 1).replace(/\.?0*e\+?/, 'e')
}

/** Every digit, to copy. */
export function exact(value: WireFloat): string {
  const number = numberOf(value)
  return number === null ? '' : String(number)
}

/** 12345678 -> "12,345,678", as the command line writes it. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** "10,000+" where the tracker stopped counting. */
export function countOrMore(value: number | null | undefined, isLeast: boolean | undefined): string {
  return count(value) + (isLeast ? '+' : '')
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let size = value
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000
    unit += 1
  }
  return `${unit === 0 || size >= 99.5 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`
}

/** "4 s", "3 min 20 s", "2 h 05 min", "3 d 4 h". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`
}

/** One unit only: "4 s", "3 min", "2 h", "5 d". */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min`
  if (whole < 172800) return `${Math.floor(whole / 3600)} h`
  return `${Math.floor(whole / 86400)} d`
}

export function epochOf(moment: string | null | undefined): number | null {
  if (!moment) return null
  const millis = Date.parse(moment)
  return Number.isNaN(millis) ? null : millis / 1000
}

/** Local wall time to the second: "2026-11-21 14:03:09". */
export function wallTime(moment: string | null | undefined): string {
  const seconds = epochOf(moment)
  if (seconds === null) return '–'
  const at = new Date(seconds * 1000)
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`
  return `${day} ${clockTime(moment)}`
}

export function clockTime(moment: string | null | undefined): string {
  const seconds = epochOf(moment)
  if (seconds === null) return '–'
  const at = new Date(seconds * 1000)
  return `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
