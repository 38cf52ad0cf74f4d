interface Handlers<Query, Answer> {
  answer(answer: Answer, query: Query): void
  error(error: unknown, query: Query): void
}

/** Sends one request at a time. A query that comes while a request is under way replaces the query that waits: only the latest is sent. */
export class LatestRequest<Query, Answer> {
  private waiting: { query: Query } | null = null
  private work: Promise<void> | null = null
  private isStopped = false

  constructor(
    private readonly request: (query: Query) => Promise<Answer>,
    private readonly on: Handlers<Query, Answer>,
  ) {}

  send(query: Query): void {
    this.waiting = { query }
    this.work ??= this.sendAll()
  }

  /** Waits until every query that was sent is answered, or replaced. */
  async settle(): Promise<void> {
    await this.work
  }

  /** Sends nothing more, and drops the answer of a request under way. */
  stop(): void {
    this.isStopped = true
    this.waiting = null
  }

  private async sendAll(): Promise<void> {
    while (this.waiting) {
      const { query } = this.waiting
      this.waiting = null
      await this.handle(query)
    }
    this.work = null
  }

  private async handle(query: Query): Promise<void> {
    try {
      const answer = await this.request(query)
      if (!this.isStopped) this.on.answer(answer, query)
    } catch (error) {
      if (!this.isStopped) this.on.error(error, query)
    }
  }
}
