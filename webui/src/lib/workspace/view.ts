/** What the workspace shows, as its address holds it. */
import { readView, writeView, type ViewOf } from '$lib/ui/urlState'

const NONE: readonly string[] = []

export const VIEW_DEFAULTS = {
  q: '', group: 'all', sort: 'number', down: true,
  /** The list alone, with all its columns, in place of list and charts. */
  table: false,
  /** Columns; empty: the page chooses. */
  columns: NONE,
  by: '', picked: NONE,
  /** Runs whose curves are shown: the first of the list, those switched on, less those switched off. */
  first: 10, on: NONE, off: NONE,
  pins: NONE, base: '',
  /** The charts. */
  find: '', x: 'step', smooth: 0, log: false, zoom: '', band: '', size: 2,
  /** Each panel has a zoom of its own: `name:from,to`. */
  free: false, zooms: NONE,
  order: NONE, hidden: NONE, top: NONE, wide: NONE, ranges: NONE,
}
export type WorkspaceView = ViewOf<typeof VIEW_DEFAULTS>

/** Reads the view of an address; what cannot be the id of a run is left out of it. */
export function readWorkspace(query: string): WorkspaceView {
  const { picked, on, off, pins, base, ...view } = readView(query, VIEW_DEFAULTS)
  return { ...view, picked: picked.filter(isId), on: on.filter(isId), off: off.filter(isId), pins: pins.filter(isId).slice(0, MAX_PINS), base: isId(base) ? base : '' }
}

function isId(text: string): boolean {
  return /^[0-9a-z]{12}$/.test(text)
}

export const writeWorkspace = (view: WorkspaceView): string => writeView(view, VIEW_DEFAULTS)

export const MAX_PINS = 6
/** With more runs a page of comparison would be too full. */
export const MAX_COMPARED = 20
/** The most runs whose curves one page shows. */
export const MAX_SHOWN = 50

type Eyes = Pick<WorkspaceView, 'first' | 'on' | 'off' | 'pins' | 'base'>

/** Returns the runs whose curves are shown, as many as one page shows. */
export function shownRuns(listed: readonly string[], view: Eyes): string[] {
  return eyesOn(listed, view).slice(0, MAX_SHOWN)
}

/** The runs whose eyes are on: pinned runs first, then in the order of the list. */
export function eyesOn(listed: readonly string[], view: Eyes): string[] {
  const off = new Set(view.off)
  const base = view.base ? [view.base] : []
  const all = new Set([...base, ...view.pins, ...listed.slice(0, view.first), ...view.on])
  return [...all].filter((run) => !off.has(run))
}

/** Switches the eye of a run. */
export function toggleEye(view: Pick<WorkspaceView, 'on' | 'off'>, run: string, isShown: boolean): Pick<WorkspaceView, 'on' | 'off'> {
  const [on, off] = [without(view.on, run), without(view.off, run)]
  return isShown ? { on, off: [...off, run] } : { on: [...on, run], off }
}

/** Pins a run, or takes its pin away; null where six are pinned already. */
export function togglePin(pins: readonly string[], run: string): string[] | null {
  if (pins.includes(run)) return without(pins, run)
  return pins.length < MAX_PINS ? [...pins, run] : null
}

export function toggled(list: readonly string[], item: string): string[] {
  return list.includes(item) ? without(list, item) : [...list, item]
}

function without(list: readonly string[], item: string): string[] {
  return list.filter((other) => other !== item)
}

/** The items from `anchor` to `to` in the order of the list, as Shift selects them; only `to` where the anchor is gone. */
export function between(listed: readonly string[], anchor: string | null, to: string): string[] {
  const [from, until] = [anchor === null ? -1 : listed.indexOf(anchor), listed.indexOf(to)]
  if (from < 0 || until < 0) return [to]
  return listed.slice(Math.min(from, until), Math.max(from, until) + 1)
}
