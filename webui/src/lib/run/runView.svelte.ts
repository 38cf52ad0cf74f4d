/** One run with its history, as the page of the run shows it; events keep it up to date. */
import { api } from '$lib/api/client'
import { extendCurve, type Curve } from '$lib/api/curve'
import type { FeedEvent } from '$lib/live/feed'
import { connection } from '$lib/live/connection.svelte'
import { Throttle } from '$lib/live/throttle'
import { applyEvent } from './applyEvent'
import type { Checkpoint, Command, CommandRequest, TestResult, Validation, MetricSummary, Receipt, Run, Segment } from '$lib/api/types'

export const MAX_POINTS = 2000
const REFRESH_MS = 1000
const VALIDATIONS_PAGE = 1000

export class RunView {
  run: Run | null = $state.raw(null)
  /** What the last reading failed with. */
  failure: unknown = $state.raw(null)
  /** Whether everything was read once: before that, nothing can be said to be missing. */
  isRead = $state(false)
  segments: Segment[] = $state.raw([])
  validations: Validation[] = $state.raw([])
  metrics: MetricSummary[] = $state.raw([])
  checkpoints: Checkpoint[] = $state.raw([])
  receipts: Receipt[] = $state.raw([])
  testResults: TestResult[] = $state.raw([])
  commands: Command[] = $state.raw([])
  curves: ReadonlyMap<string, Curve> = $state.raw(new Map())
  heardAt: number | null = $state(null) // epoch seconds of the last event of this run
  private wanted = new Set<string>()
  private stale = new Set<string>()
  private throttle = new Throttle(REFRESH_MS, () => this.refresh())
  private unlisten: () => void

  constructor(readonly id: string) {
    this.unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => this.reload() })
    this.reload()
  }

  stop(): void {
    this.unlisten()
    this.throttle.stop()
  }

  /** Reads the curves of these metrics and keeps them up to date from now on. */
  watchCurves(keys: readonly string[]): void {
    const added = keys.filter((key) => !this.wanted.has(key))
    if (added.length === 0) return
    added.forEach((key) => this.wanted.add(key))
    void Promise.all(added.map((key) => this.readCurve(key))).catch((error: unknown) => this.fail(error))
  }

  async send(request: CommandRequest): Promise<Command> {
    const command = await api.command(this.id, request)
    if (!this.commands.some((known) => known.id === command.id)) this.put(command)
    return command
  }

  async pin(checkpoint: Checkpoint): Promise<void> {
    await api.pin(checkpoint.id, !checkpoint.is_pinned)
    this.refreshSoon('checkpoints')
  }

  async edit(patch: { name?: string; notes?: string; tags?: string[] }): Promise<void> {
    this.run = await api.rename(this.id, patch)
  }

  reload(): void {
    this.refreshSoon('run', 'segments', 'validations', 'curves', 'checkpoints', 'commands', 'testResults')
  }

  private refreshSoon(...parts: string[]): void {
    parts.forEach((part) => this.stale.add(part))
    this.throttle.call()
  }

  private async refresh(): Promise<void> {
    const stale = this.stale
    this.stale = new Set()
    try {
      if (stale.has('run')) this.run = await api.run(this.id)
      await Promise.all([
        stale.has('segments') && this.read('segments', api.segments(this.id)),
        stale.has('checkpoints') && this.read('checkpoints', api.checkpoints(this.id)),
        stale.has('checkpoints') && this.read('receipts', api.receipts(this.id)),
        stale.has('commands') && this.read('commands', api.commands(this.id)),
        stale.has('testResults') && this.read('testResults', api.testResults(this.id)),
        stale.has('validations') ? this.readValidations(null) : stale.has('new validations') && this.readValidations(this.validations.at(-1)?.seq ?? null),
        (stale.has('curves') || stale.has('new points')) && this.readMetrics(stale.has('curves')),
      ])
      this.failure = null
      this.isRead = true
    } catch (error) {
      this.fail(error)
    }
  }

  private async read<K extends 'segments' | 'checkpoints' | 'receipts' | 'commands' | 'testResults'>(field: K, answer: Promise<this[K]>): Promise<void> {
    this[field] = await answer
  }

  private async readValidations(after: number | null): Promise<void> {
    const validations = after === null ? [] : this.validations.slice()
    for (;;) {
      const page = await api.validations(this.id, validations.at(-1)?.seq ?? 0)
      validations.push(...page)
      if (page.length < VALIDATIONS_PAGE) break
    }
    this.validations = validations
  }

  private async readMetrics(afresh: boolean): Promise<void> {
    this.metrics = await api.metrics(this.id)
    const known = new Set(this.metrics.map((metric) => metric.key))
    const keys = [...this.wanted].filter((key) => known.has(key))
    await Promise.all(keys.map((key) => (afresh ? this.readCurve(key) : this.readTail(key))))
  }

  private async readCurve(key: string): Promise<void> {
    this.store(await api.curve(this.id, key, { maxPoints: MAX_POINTS }))
  }

  /** Reads only new points. A curve that has grown to twice MAX_POINTS is read again, thinned. */
  private async readTail(key: string): Promise<void> {
    const known = this.curves.get(key)
    const last = known?.path.steps.at(-1)
    if (!known || last === undefined || known.returned > 2 * MAX_POINTS) return this.readCurve(key)
    this.store(extendCurve(known, await api.curve(this.id, key, { maxPoints: MAX_POINTS, from: last })))
  }

  private store(curve: Curve): void {
    this.curves = new Map(this.curves).set(curve.key, curve)
  }

  private put(command: Command): void {
    this.commands = [command, ...this.commands.filter((known) => known.id !== command.id)]
  }

  private apply(events: FeedEvent[]): void {
    for (const event of events) {
      // The address may hold only the first letters of the id; events carry the whole id.
      if (event.run !== (this.run?.id ?? this.id)) continue
      this.heardAt = Date.parse(event.at) / 1000
      if (this.run) this.run = applyEvent(this.run, event)
      // The event carries the whole command. A person waits for it, so the page shows it before it reads the commands again.
      if (event.kind === 'command.state') this.put(event.data as unknown as Command)
      this.refreshSoon(...(STALE_AFTER.get(event.kind) ?? ['run']))
    }
  }

  private fail(error: unknown): void {
    this.failure = error
  }
}

/** The parts to read again after an event. */
const STALE_AFTER = new Map([
  ['run.state', ['run', 'new validations', 'curves', 'checkpoints', 'commands', 'segments', 'testResults']],
  ['run.progress', ['new points']],
  ['run.validation', ['new validations', 'new points']],
  ['run.withdrawn', ['validations']], // a validation that this page holds is no longer the best
  ['run.best', ['checkpoints']],
  ['run.checkpoint', ['checkpoints']],
  // A new segment makes an abandoned branch of the points behind its start.
  ['run.segment', ['run', 'segments', 'validations', 'curves', 'checkpoints']],
  ['command.state', ['commands']],
])
