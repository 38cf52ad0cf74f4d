/** Runs `work` at most once in `millis`, and once more at the end: many events, few requests. Never two at a time. */
export class Throttle {
  private timer: ReturnType<typeof setTimeout> | undefined
  private busy = false
  private again = false
  private stopped = false

  constructor(
    private readonly millis: number,
    private readonly work: () => Promise<void> | void,
  ) {}

  ask(): void {
    if (this.stopped) return
    if (this.busy || this.timer !== undefined) this.again = true
    else void this.run()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
  }

  private async run(): Promise<void> {
    this.busy = true
    this.again = false
    try {
      await this.work()
    } finally {
      this.busy = false
      this.timer = setTimeout(() => this.rest(), this.millis)
    }
  }

  private rest(): void {
    this.timer = undefined
    if (this.again && !this.stopped) void this.run()
  }
}
