/** Groups metrics into charts: `loss` and `val_loss` share a chart; the prefix before a '/' groups charts. */
export interface MetricName {
  base: string
  split: Split
  group: string
}
export type Split = 'train' | 'validation' | 'test' | ''

export interface MetricGroup {
  name: string
  group: string
  keys: string[]
}

/** The group of the machine's own metrics. */
export const SYSTEM = 'system'

const WORDS = new Map<string, Split>([
  ['train', 'train'], ['training', 'train'], ['val', 'validation'], ['valid', 'validation'], ['validation', 'validation'],
  ['dev', 'validation'], ['eval', 'validation'], ['test', 'test'],
])
const ORDER: Split[] = ['train', '', 'validation', 'test']

export function parseMetric(key: string): MetricName {
  const slash = /^([^/]+)\/(.+)$/.exec(key)
  if (slash) {
    const split = WORDS.get(slash[1]!.toLowerCase())
    if (split) return { ...parseMetric(slash[2]!), split }
    return { base: slash[2]!, split: '', group: slash[1]! }
  }
  const prefix = /^([a-z]+)_(.+)$/i.exec(key)
  const split = prefix ? WORDS.get(prefix[1]!.toLowerCase()) : undefined
  return split && prefix ? { base: prefix[2]!, split, group: '' } : { base: key, split: '', group: '' }
}

/** Names the chart of a metric of the machine: processors together, reads with writes, the GPUs side by side. */
function systemChart(base: string): string {
  return base.replace(/^process_/, '').replace(/^gpu\d+/, 'gpu').replace(/_(read|write|received|sent)_/, '_')
}

/**
 * Returns the groups, the monitored metric first, then in alphabetical order, the machine's last.
 * Within a group: training, validation, test.
 */
export function groupMetrics(keys: readonly string[], monitor: string): MetricGroup[] {
  const panels = new Map<string, MetricGroup>()
  for (const key of keys) {
    const { base, group } = parseMetric(key)
    const name = group === SYSTEM ? `${group}/${systemChart(base)}` : group ? `${group}/${base}` : base
    const panel = panels.get(name) ?? { name, group, keys: [] }
    panel.keys.push(key)
    panels.set(name, panel)
  }
  const rank = (key: string) => ORDER.indexOf(parseMetric(key).split)
  for (const panel of panels.values()) panel.keys.sort((a, b) => rank(a) - rank(b) || compare(a, b))
  const first = (panel: MetricGroup) => Number(!panel.keys.includes(monitor))
  const last = (panel: MetricGroup) => Number(panel.group === SYSTEM)
  return [...panels.values()].sort((a, b) => first(a) - first(b) || last(a) - last(b) || compare(a.group, b.group) || compare(a.name, b.name))
}

/** The charts of which a key contains every word, under the prefix that they share; charts without a prefix come first. */
export function sectionGroups(groups: readonly MetricGroup[], words: string): { prefix: string; groups: MetricGroup[] }[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
  const found = groups.filter(({ keys }) => keys.some((key) => wanted.every((word) => key.toLowerCase().includes(word))))
  const sections = new Map<string, MetricGroup[]>()
  for (const group of found) sections.set(group.group, [...(sections.get(group.group) ?? []), group])
  return [...sections].map(([prefix, list]) => ({ prefix, groups: list })).sort((a, b) => Number(a.prefix !== '') - Number(b.prefix !== ''))
}

/** Pixels of a card with its gap, of what stands over the first one, and how far below the window a card is read. */
const CARD = { width: 472, height: 370 }
const HEAD = 200
const BELOW = 300

/** The metrics of the charts that a window of this size shows first; charts whose prefix is `folded` are not shown. */
export function metricsInSight(groups: readonly MetricGroup[], folded: readonly string[], window: { width: number; height: number }): string[] {
  const columns = Math.max(1, Math.floor(window.width / CARD.width))
  const rows = Math.max(1, Math.ceil((window.height + BELOW - HEAD) / CARD.height))
  const shown = sectionGroups(groups, '').flatMap(({ prefix, groups: list }) => (folded.includes(prefix) ? [] : list))
  return shown.slice(0, columns * rows).flatMap(({ keys }) => keys)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
