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

/** Returns the groups, the monitored metric first, then in alphabetical order. Within a group: training, validation, test. */
export function groupMetrics(keys: readonly string[], monitor: string): MetricGroup[] {
  const panels = new Map<string, MetricGroup>()
  for (const key of keys) {
    const { base, group } = parseMetric(key)
    const name = group ? `${group}/${base}` : base
    const panel = panels.get(name) ?? { name, group, keys: [] }
    panel.keys.push(key)
    panels.set(name, panel)
  }
  const rank = (key: string) => ORDER.indexOf(parseMetric(key).split)
  for (const panel of panels.values()) panel.keys.sort((a, b) => rank(a) - rank(b) || compare(a, b))
  const first = (panel: MetricGroup) => Number(!panel.keys.includes(monitor))
  return [...panels.values()].sort((a, b) => first(a) - first(b) || compare(a.group, b.group) || compare(a.name, b.name))
}

/** The charts of which a key contains every word, under the prefix that they share; charts without a prefix come first. */
export function sectionGroups(groups: readonly MetricGroup[], words: string): { prefix: string; groups: MetricGroup[] }[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
  const found = groups.filter(({ keys }) => keys.some((key) => wanted.every((word) => key.toLowerCase().includes(word))))
  const sections = new Map<string, MetricGroup[]>()
  for (const group of found) sections.set(group.group, [...(sections.get(group.group) ?? []), group])
  return [...sections].map(([prefix, list]) => ({ prefix, groups: list })).sort((a, b) => Number(a.prefix !== '') - Number(b.prefix !== ''))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
