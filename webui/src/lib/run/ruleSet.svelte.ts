/** The rules of a project as this page last read them. It never overwrites a rule that somebody else changed meanwhile. */
import { api, ApiError } from '$lib/api/client'
import type { FeedEvent } from '$lib/live/feed'
import { connection } from '$lib/live/connection.svelte'
import { isSame, type RuleName, type Rules } from './rules'
import type { ProjectRules, RulesRequest } from '$lib/api/types'

type Calls = Pick<typeof api, 'rules' | 'setRules'>
const MAX_TRIES = 5

export class RuleSet {
  rules: ProjectRules | null = $state.raw(null)
  error: unknown = $state.raw(null)
  private tag = ''

  constructor(
    readonly project: string,
    private readonly calls: Calls = api,
  ) {}

  /** Reads the rules now and whenever somebody sets them; returns the function that ends that. */
  follow(): () => void {
    const read = () => void this.load()
    read()
    const isOurs = (event: FeedEvent) => event.kind === 'project.rules' && event.project === this.project
    return connection.listen({ events: (events) => events.some(isOurs) && read(), gap: read })
  }

  async load(): Promise<void> {
    try {
      const { value, tag } = await this.calls.rules(this.project)
      this.rules = value
      this.tag = tag
      this.error = null
    } catch (cause) {
      this.error = cause
    }
  }

  /**
   * Sets one rule and leaves the others as they are, also those that somebody set meanwhile. Returns false, and sets
   * nothing, where the rule itself is no longer the one that the person saw (`seen`).
   */
  async set(name: RuleName, value: RulesRequest[RuleName], seen: Rules[RuleName]): Promise<boolean> {
    for (let tries = 1; this.rules && isSame(this.rules[name], seen); tries += 1) {
      const { stopper, median, max_steps, max_seconds } = this.rules
      try {
        await this.calls.setRules(this.project, { stopper, median, max_steps, max_seconds, [name]: value }, this.tag)
        await this.load()
        return true
      } catch (cause) {
        if (!(cause instanceof ApiError && cause.status === 412) || tries === MAX_TRIES) throw cause
        await this.load()
      }
    }
    return false
  }
}
