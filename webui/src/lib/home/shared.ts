/** What a read-only link shows, and which pages that are. Pure. */
import type { Share, SharedPlace } from '$lib/api/types'
import type { Route } from '$lib/ui/routes'

type Place = Pick<SharedPlace, 'project' | 'run'>

/** Whether the link shows this page. Which runs of a project it shows, the tracker decides. */
export function isShared(route: Route, { project, run }: Place): boolean {
  if (route.page === 'shared') return true
  if (run != null) return route.page === 'run' && route.run === run
  return route.page === 'run' || ((route.page === 'runs' || route.page === 'compare') && route.project === project)
}

/** "run first" or "the runs of digits that fit tag = paper". */
export function describeShared({ project, run, q, run_name: name }: Place & Partial<Pick<Share, 'q' | 'run_name'>>): string {
  if (run != null) return `run ${name ?? run}`
  return q ? `the runs of ${project} that fit ${q}` : `the runs of ${project}`
}

/** The filter of a link to the runs that the page shows: the page's own, and the states that it is narrowed to. */
export function filterOfShared(q: string, states: string): string {
  const narrowed = states && `state in (${states.split(',').join(', ')})`
  return q && narrowed ? `(${q}) and ${narrowed}` : q || narrowed
}
