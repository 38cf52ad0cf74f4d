/** Searches and sorts projects. Pure. */
import type { Project } from '$lib/api/types'

type Order = (a: Project, b: Project) => number
const timeOf = ({ updated_at: at }: Project) => (at ? Date.parse(at) : 0)
const byName: Order = (a, b) => (a.name < b.name ? -1 : 1)
const ORDERS = new Map<string, Order>([
  ['updated', (a, b) => timeOf(b) - timeOf(a) || byName(a, b)],
  ['name', byName],
  ['runs', (a, b) => b.runs - a.runs || byName(a, b)],
])

/** The projects that contain every word in name or description, in the order that is asked for. */
export function arrangeProjects(projects: readonly Project[], by: { q: string; sort: string }): Project[] {
  const words = by.q.toLowerCase().split(/\s+/).filter(Boolean)
  const textOf = ({ name, description }: Project) => `${name} ${description ?? ''}`.toLowerCase()
  return projects.filter((project) => words.every((word) => textOf(project).includes(word))).sort(ORDERS.get(by.sort) ?? ORDERS.get('updated'))
}
