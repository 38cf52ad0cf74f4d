/** What a page asks the tracker first, known from its address alone. */
import type { Route } from '$lib/ui/routes'

const ME = '/api/v1/me'
/** What the page of a run is made of; it asks for the rest while it is being made. */
const OF_A_RUN = ['', '/metrics']

export function firstRequests(route: Route): string[] {
  if (route.page === 'projects') return [ME, '/api/v1/projects?archived=false']
  return route.page === 'run' ? [ME, ...OF_A_RUN.map((part) => `/api/v1/runs/${encodeURIComponent(route.run)}${part}`)] : [ME]
}
