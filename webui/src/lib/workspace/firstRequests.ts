/** What a page asks the tracker first, known from its address alone. */
import type { Route } from '$lib/ui/routes'

const ME = '/api/v1/me'
const OF_A_RUN = ['', '/metrics', '/segments', '/validations?after=0&limit=1000', '/checkpoints', '/receipts', '/commands', '/test-results']

export function firstRequests(route: Route): string[] {
  if (route.page === 'projects') return [ME, '/api/v1/projects?archived=false']
  return route.page === 'run' ? [ME, ...OF_A_RUN.map((part) => `/api/v1/runs/${encodeURIComponent(route.run)}${part}`)] : [ME]
}
