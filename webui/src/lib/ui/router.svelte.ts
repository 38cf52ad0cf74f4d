/** The address bar as state. `go` changes the address; `followLink` opens links inside the dashboard without loading a page. */
import { pathOfHash, routeOf, type Route } from './routes'

class Router {
  path = $state(location.pathname)
  query = $state(location.search)
  route: Route = $derived(routeOf(this.path))

  constructor() {
    this.takeHash()
    addEventListener('popstate', () => this.takeHash())
  }

  go(address: string, replace = false): void {
    this.move(address, replace, null)
  }

  /** Typing and dragging are one step of the history: the first change of a gesture makes it, the others replace it. */
  drag(address: string, gesture: string): void {
    this.move(address, gestureNow() === gesture, { gesture })
  }

  /** The gesture is over: the next one is a step of its own. */
  drop(): void {
    if (gestureNow() !== null) history.replaceState(null, '')
  }

  /** Replaces the address' query: typing and sliding must not fill the history. */
  setQuery(query: string): void {
    this.go(location.pathname + query, true)
  }

  followLink = (event: MouseEvent): void => {
    const link = (event.target as Element).closest('a')
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
    if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute('download')) return
    if (link.origin !== location.origin || link.getAttribute('href')?.startsWith('#')) return
    event.preventDefault()
    this.go(link.pathname + link.search)
  }

  private move(address: string, replace: boolean, state: unknown): void {
    if (address === location.pathname + location.search) return
    history[replace ? 'replaceState' : 'pushState'](state, '', address)
    const moved = location.pathname !== this.path
    this.read()
    if (moved) scrollTo(0, 0)
  }

  /** Goes where the address that MLflow's client prints leads. */
  private takeHash(): void {
    const path = location.pathname === '/' ? pathOfHash(location.hash) : null
    if (path !== null) history.replaceState(null, '', path)
    this.read()
  }

  private read(): void {
    this.path = location.pathname
    this.query = location.search
  }
}

function gestureNow(): string | null {
  return (history.state as { gesture?: string } | null)?.gesture ?? null
}

export const router = new Router()
