/** The panels of the charts: which metrics share one, and how a person arranged them. */
import { groupMetrics, type MetricGroup } from '$lib/curves/metricGroups'
import { readRange, writeRange } from '$lib/curves/zoom'
import type { WorkspaceView } from './view'

export interface Section {
  name: string
  panels: MetricGroup[]
}

type Arrangement = Pick<WorkspaceView, 'find' | 'order' | 'hidden' | 'top'>

/** Pinned panels first, then metrics without a prefix, then a section for each prefix. */
export function panelSections(keys: readonly string[], monitor: string, arranged: Arrangement): Section[] {
  const seen = arrange(groupMetrics(keys, monitor), arranged.order).filter((panel) => isFound(panel, arranged.find) && !arranged.hidden.includes(panel.name))
  const pinned = seen.filter(({ name }) => arranged.top.includes(name))
  const sections = new Map<string, MetricGroup[]>()
  for (const panel of seen) if (!pinned.includes(panel)) sections.set(panel.group, [...(sections.get(panel.group) ?? []), panel])
  const named = [...sections].sort(([a], [b]) => Number(a !== '') - Number(b !== '')).map(([name, panels]) => ({ name: name || 'Metrics', panels }))
  return pinned.length > 0 ? [{ name: 'Pinned', panels: pinned }, ...named] : named
}

/** Panels that somebody moved stand in the order that they were given. */
function arrange(panels: MetricGroup[], order: readonly string[]): MetricGroup[] {
  const place = (panel: MetricGroup) => (order.includes(panel.name) ? order.indexOf(panel.name) : panels.indexOf(panel) + order.length)
  return panels.toSorted((a, b) => place(a) - place(b))
}

/** Words that all are in the name of the panel or of one of its metrics; or a regular expression. */
function isFound(panel: MetricGroup, find: string): boolean {
  const names = [panel.name, ...panel.keys].join('\n').toLowerCase()
  return find.toLowerCase().split(/\s+/).filter(Boolean).every((word) => names.includes(word) || fits(word, panel.keys))
}

function fits(pattern: string, keys: readonly string[]): boolean {
  if (!/[.*+?^$|[\]()]/.test(pattern) || pattern.length > 60) return false
  try {
    const expression = new RegExp(pattern, 'i')
    return keys.some((key) => expression.test(key))
  } catch {
    return false
  }
}

/** Moves a panel by one place within its section; returns the new order of all panels. */
export function movePanel(sections: readonly Section[], name: string, by: number): string[] {
  return sections.flatMap(({ panels }) => {
    const names = panels.map((panel) => panel.name)
    const at = names.indexOf(name)
    if (at < 0) return names
    names.splice(at, 1)
    names.splice(Math.min(names.length, Math.max(0, at + by)), 0, name)
    return names
  })
}

/** The range of y that somebody set for a panel: `name:low,high`. */
export function rangeOf(ranges: readonly string[], name: string): [number, number] | null {
  return readRange(ranges.find((range) => range.startsWith(`${name}:`))?.slice(name.length + 1) ?? '')
}

export function withRange(ranges: readonly string[], name: string, range: readonly [number, number] | null): string[] {
  const others = ranges.filter((other) => !other.startsWith(`${name}:`))
  return range ? [...others, `${name}:${writeRange(range)}`] : others
}
