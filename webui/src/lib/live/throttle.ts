/** Runs `work` at most once in `millis`, and once more after a burst of calls: many events, few requests. Never two at a time. */
export class Throttle {
  private timer: ReturnType<typeof setTimeout> | undefined
  private isBusy = false
  private isPending = false
  private isStopped = false

  constructor(
    private readonly millis: number,
    private readonly work: () => Promise<void> | void,
  ) {}

  call(): void {
    if (this.isStopped) return
    if (this.isBusy || this.timer !== undefined) this.isPending = true
    else void this.run()
  }

  stop(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  private async run(): Promise<void> {
    this.isBusy = true
    this.isPending = false
    try {
      await this.work()
    } finally {
      this.isBusy = false
      this.timer = setTimeout(() => this.runPending(), this.millis)
    }
  }

  private runPending(): void {
    this.timer = undefined
    if (this.isPending && !this.isStopped) void this.run()
  }
}
