/** Who is signed in. */
import { forgetEarly } from './early'
import { api, ApiError, whenSignedOut, type Proof } from './client'
import { connection } from '$lib/live/connection.svelte'
import type { Me, SharedPlace } from './types'

const RETRY_MS = 5_000

class Session {
  me: Me | null = $state(null)
  status: 'checking' | 'in' | 'out' | 'unreachable' = $state('checking')
  /** Whether the tracker ended the session, and not the person. */
  hasExpired = $state(false)
  /** The read-only link that ended while the page was open. */
  endedShare: SharedPlace | null = $state(null)
  private retry: ReturnType<typeof setTimeout> | undefined

  constructor() {
    whenSignedOut(() => this.expire())
  }

  async check(): Promise<void> {
    try {
      this.enter(await api.me())
    } catch (error) {
      forgetEarly()
      this.status = error instanceof ApiError && error.status === 401 ? 'out' : 'unreachable'
      clearTimeout(this.retry)
      if (this.status === 'unreachable') this.retry = setTimeout(() => void this.check(), RETRY_MS)
    }
  }

  async signIn(proof: Proof): Promise<void> {
    await api.signIn(proof)
    this.enter(await api.me())
  }

  /** Opens a read-only link and returns the address that it leads to. Whoever is signed in with an account stays so. */
  async openShare(secret: string): Promise<string> {
    const { share } = await api.signIn({ share: secret })
    this.enter(await api.me())
    return share!.path
  }

  async signOut(): Promise<void> {
    await api.signOut()
    this.leave()
  }

  /** The tracker no longer knows this session. The address stays, so that signing in returns to the same page. */
  expire(): void {
    this.hasExpired ||= this.me !== null
    this.endedShare = this.me?.share ?? this.endedShare
    this.leave()
  }

  /** A viewer reads everything and changes nothing. */
  get mayChange(): boolean {
    return this.me !== null && this.me.role !== 'viewer'
  }

  /** What the page shows where somebody came by a read-only link. */
  get share(): SharedPlace | null {
    return this.me?.share ?? null
  }

  private enter(me: Me): void {
    this.me = me
    this.status = 'in'
    this.hasExpired = false
    this.endedShare = null
    connection.start()
  }

  private leave(): void {
    this.me = null
    this.status = 'out'
    connection.stop()
  }
}

export const session = new Session()
