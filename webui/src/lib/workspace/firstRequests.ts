/** What a page asks the tracker first, known from its address alone. */
import type { Route } from '$lib/ui/routes'
import { allColumns, askedColumns, shownColumns } from './columns'
import { listQueryOf, pageQueryOf } from './runWindow.svelte'
import { readWorkspace } from './view'

const ME = '/api/v1/me'
/** What the page of a run is made of; it asks for the rest while it is being made. */
const OF_A_RUN = ['', '/metrics']

export function firstRequests(route: Route, query: string): string[] {
  switch (route.page) {
    case 'projects': return [ME, '/api/v1/projects?archived=false']
    case 'run': return [ME, ...OF_A_RUN.map((part) => `/api/v1/runs/${encodeURIComponent(route.run)}${part}`)]
    case 'runs': return [ME, listAddress(route.project, query), `/api/v1/fields/${encodeURIComponent(route.project)}`]
    default: return [ME]
  }
}

/** The list as the page asks for it before it knows the names of the project. */
function listAddress(project: string, query: string): string {
  const view = readWorkspace(query)
  const columns = askedColumns(shownColumns(allColumns(null), view.columns, null, !view.table))
  const asked = Object.entries(pageQueryOf(project, listQueryOf(view, columns), { count: true }))
  return `/api/v1/runs?${asked.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`
}
