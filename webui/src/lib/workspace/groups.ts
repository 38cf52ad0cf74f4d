/** Groups of runs: what they are grouped by, how a group is called, and the filter that finds its runs. */
import type { ProjectFields, RunGroup } from '$lib/api/types'
import { parameterText } from './columns'
import { literal, quoted } from './filterText'

/** What runs can be grouped by, for a list to choose from. */
export function groupings(fields: ProjectFields | null): { by: string; label: string }[] {
  const parameters = (fields?.parameters ?? []).toSorted((a, b) => Number(b.differs ?? false) - Number(a.differs ?? false))
  return [
    { by: 'variant', label: 'all but the seed' },
    { by: 'recipe', label: 'recipe' },
    { by: 'sweep', label: 'sweep' },
    { by: 'tag', label: 'tag' },
    ...parameters.map(({ key }) => ({ by: `params.${quoted(key)}`, label: key })),
  ]
}

export function groupTitle(group: RunGroup, by: string): string {
  const [value] = Object.values(group.values)
  if (by === 'variant') return group.best_name ? `${group.best_name} and its seeds` : 'same but for the seed'
  return value === null || value === undefined ? `no ${by.replace(/^params\./, '')}` : parameterText(value)
}

/** The filter that finds the runs of a group within `q`. */
export function filterOfGroup(group: RunGroup, q: string): string {
  const own = Object.entries(group.values).map(([name, value]) => `${name} = ${literal(value)}`).join(' and ')
  return q.trim() ? `(${q.trim()}) and ${own}` : own
}
