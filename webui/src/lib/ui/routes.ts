/** The pages and their addresses. */
export type Route =
  | { page: 'projects' }
  | { page: 'runs'; project: string }
  | { page: 'latest'; project: string }
  | { page: 'replay'; project: string }
  | { page: 'rules'; project: string }
  | { page: 'projectSettings'; project: string }
  | { page: 'compare'; project: string }
  | { page: 'sweeps'; project: string }
  | { page: 'sweep'; sweep: string }
  | { page: 'run'; run: string }
  | { page: 'workers' }
  | { page: 'storage' }
  | { page: 'team' }
  | { page: 'playground' }
  | { page: 'settings' }
  | { page: 'signin' }
  | { page: 'shared' }
  | { page: 'missing' }

export function routeOf(pathname: string): Route {
  const parts = pathname.split('/').filter(Boolean).map(decode)
  const [head, second, third] = parts
  if (parts.length === 0) return { page: 'projects' }
  if (head === 'p' && second && parts.length === 2) return { page: 'runs', project: second }
  if (head === 'p' && second && third === 'latest' && parts.length === 3) return { page: 'latest', project: second }
  if (head === 'p' && second && third === 'replay' && parts.length === 3) return { page: 'replay', project: second }
  if (head === 'p' && second && third === 'rules' && parts.length === 3) return { page: 'rules', project: second }
  if (head === 'p' && second && third === 'settings' && parts.length === 3) return { page: 'projectSettings', project: second }
  if (head === 'p' && second && third === 'compare' && parts.length === 3) return { page: 'compare', project: second }
  if (head === 'p' && second && third === 'sweeps' && parts.length === 3) return { page: 'sweeps', project: second }
  if (head === 's' && second && parts.length === 2) return { page: 'sweep', sweep: second }
  if (head === 'r' && second && parts.length === 2) return { page: 'run', run: second }
  if (parts.length === 1 && (head === 'workers' || head === 'storage' || head === 'team' || head === 'playground' || head === 'settings' || head === 'signin' || head === 'shared')) return { page: head }
  return { page: 'missing' }
}

/** The path of the page that an address of MLflow's pages means (`/#/experiments/1/runs/abc`, as its client prints it); null for any other. */
export function pathOfHash(hash: string): string | null {
  const run = /^#\/experiments\/[^/]+\/runs\/([^/?]+)/.exec(hash)?.[1]
  return run === undefined ? null : runPath(decode(run))
}

export const projectPath = (project: string) => `/p/${encodeURIComponent(project)}`
export const latestPath = (project: string) => `${projectPath(project)}/latest`
export const replayPath = (project: string) => `${projectPath(project)}/replay`
export const comparePath = (project: string, runs: readonly string[]) => `${projectPath(project)}/compare?r=${runs.map(encodeURIComponent).join(',')}`
export const rulesPath = (project: string) => `${projectPath(project)}/rules`
export const projectSettingsPath = (project: string) => `${projectPath(project)}/settings`
export const sweepsPath = (project: string) => `${projectPath(project)}/sweeps`
export const sweepPath = (sweep: string) => `/s/${encodeURIComponent(sweep)}`
export const runPath = (run: string) => `/r/${encodeURIComponent(run)}`

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
