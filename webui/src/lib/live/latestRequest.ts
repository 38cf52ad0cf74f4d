/** Asks again for whatever was wished for last, one request at a time: what came in between is never asked for. */
export class LatestRequest<Q, A> {
  private next: { question: Q } | null = null
  private busy = false
  private stopped = false

  constructor(
    private readonly ask: (question: Q) => Promise<A>,
    private readonly on: { answer(answer: A, question: Q): void; error(error: unknown, question: Q): void },
  ) {}

  want(question: Q): void {
    this.next = { question }
    if (!this.busy) void this.work()
  }

  stop(): void {
    this.stopped = true
    this.next = null
  }

  private async work(): Promise<void> {
    this.busy = true
    while (this.next) {
      const { question } = this.next
      this.next = null
      await this.answer(question)
    }
    this.busy = false
  }

  private async answer(question: Q): Promise<void> {
    try {
      const answer = await this.ask(question)
      if (!this.stopped) this.on.answer(answer, question)
    } catch (error) {
      if (!this.stopped) this.on.error(error, question)
    }
  }
}
