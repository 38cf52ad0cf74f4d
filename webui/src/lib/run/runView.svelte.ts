/** One run with its history, as the page of the run shows it; events keep it up to date. */
import { api } from '$lib/api/client'
import type { Curve } from '$lib/api/curve'
import type { FeedEvent } from '$lib/live/feed'
import { connection } from '$lib/live/connection.svelte'
import { FINAL } from '$lib/ui/labels'
import { toasts } from '$lib/ui/toasts.svelte'
import { Throttle } from '$lib/live/throttle'
import { applyEvent } from './applyEvent'
import { LiveCurves, MAX_POINTS } from './liveCurves'
import type { Checkpoint, Command, CommandRequest, TestResult, Validation, MetricSummary, Receipt, Run, RunPatch, Segment } from '$lib/api/types'

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
  private live = new LiveCurves()
  private arriving = new Set<string>()
  private ahead = new Set<string>() // metrics whose first reading is under way
  private isLoaded = false
  private stale = new Set<string>()
  private throttle = new Throttle(REFRESH_MS, () => this.refresh())
  private unlisten: () => void

  /** `seenFirst` tells which of the metrics come into sight first: their curves come with the page, not after it. */
  constructor(
    readonly id: string,
    private readonly seenFirst: (keys: readonly string[], monitor: string) => readonly string[] = () => [],
  ) {
    this.unlisten = connection.listen({ events: (events) => this.apply(events), gap: () => this.reload(), opened: () => this.readOpened() })
    this.reload()
  }

  stop(): void {
    this.unlisten()
    this.throttle.stop()
  }

  /** Keeps the curves of these metrics up to date from now on. What comes into sight together is read together. */
  watchCurves(keys: readonly string[]): void {
    const isFirst = this.arriving.size === 0
    this.live.show(keys).forEach((key) => this.ahead.has(key) || this.arriving.add(key))
    if (isFirst && this.arriving.size > 0) setTimeout(() => void this.readArriving().catch((error: unknown) => this.fail(error)))
  }

  /** These curves are out of sight: they are read again when they come back. */
  unwatchCurves(keys: readonly string[]): void {
    this.live.hide(keys)
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

  async edit(patch: Partial<RunPatch>): Promise<void> {
    this.run = await api.rename(this.id, patch)
  }

  /** Brings the deleted run back, and says what is lost of it. Returns whether it is back. */
  async undelete(): Promise<boolean> {
    try {
      const { run, gone, lost_artifacts } = await api.undelete(this.id)
      const checkpoints = gone.length > 0 ? ` ${gone.length} of its checkpoints were already deleted for good.` : ''
      const lost = lost_artifacts ? `${checkpoints} So were ${lost_artifacts} of its artifacts.` : checkpoints
      toasts.show(`Restored run #${run.number}.${lost}`)
      return true
    } catch (error) {
      toasts.showError(error)
      return false
    }
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
    this.stale = new Set() // what comes while this waits for its turn is read in the next one
    if (this.isLoaded) await connection.turn(countRequests(stale))
    try {
      if (this.run === null) await this.readFirst(stale)
      await Promise.all([
        stale.has('run') && this.read('run', api.run(this.id)),
        stale.has('segments') && this.read('segments', api.segments(this.id)),
        stale.has('checkpoints') && this.read('checkpoints', api.checkpoints(this.id)),
        stale.has('checkpoints') && this.read('receipts', api.receipts(this.id)),
        stale.has('commands') && this.read('commands', api.commands(this.id)),
        stale.has('testResults') && this.read('testResults', api.testResults(this.id)),
        stale.has('validations') ? this.readValidations(null) : stale.has('new validations') && this.readValidations(this.validations.at(-1)?.seq ?? null),
        (stale.has('curves') || stale.has('new points')) && this.readMetrics(stale.has('curves')),
      ])
      this.failure = null
      this.isRead = this.isLoaded = true
    } catch (error) {
      stale.forEach((part) => this.stale.add(part)) // the next event reads it
      this.fail(error)
    }
  }

  private async read<K extends 'run' | 'segments' | 'checkpoints' | 'receipts' | 'commands' | 'testResults'>(field: K, answer: Promise<this[K]>): Promise<void> {
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

  private async readArriving(): Promise<void> {
    const keys = [...this.arriving]
    this.arriving.clear()
    await this.readCurves(keys)
  }

  /** Reads what the page is made of, and sends for the first curves before it is made, which takes as long as their answer. */
  private async readFirst(stale: Set<string>): Promise<void> {
    const [run, metrics] = await Promise.all([api.run(this.id), api.metrics(this.id)])
    void this.readAhead(run.id, this.seenFirst(metrics.map(({ key }) => key), run.spec.monitor))
    await new Promise((sent) => setTimeout(sent))
    this.run = run
    this.metrics = metrics
    stale.delete('run')
    stale.delete('curves')
  }

  private async readAhead(run: string, keys: readonly string[]): Promise<void> {
    keys.forEach((key) => this.ahead.add(key))
    await this.readCurves(keys, run).catch((error: unknown) => this.fail(error))
    this.ahead.clear()
  }

  /** What happened between the first reading and the first event is in neither: of a run that goes on, what is new is read once more. */
  private readOpened(): void {
    if (this.run && !FINAL.has(this.run.state)) this.refreshSoon('run', 'segments', 'new validations', 'new points', 'checkpoints', 'commands', 'testResults')
  }

  /** Reads curves and metrics with one request; with no curve in sight, the metrics alone. */
  private async readMetrics(afresh: boolean): Promise<void> {
    const keys = afresh ? this.live.forget() : this.live.noteNew()
    if (keys.length > 0) await this.readCurves(keys)
    else this.metrics = await api.metrics(this.id)
  }

  /** The address may hold only the first letters of the run's id. */
  private async readCurves(keys: readonly string[], run = this.run?.id ?? this.id): Promise<void> {
    for (const demand of this.live.demands(keys)) {
      const answer = await api.curves(run, demand.keys, { maxPoints: MAX_POINTS, after: demand.after })
      this.live.take(demand, answer.curves)
      this.metrics = answer.metrics
    }
    this.curves = this.live.known
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
      const parts = STALE_AFTER.get(event.kind) ?? ['run']
      if (parts.length > 0) this.refreshSoon(...parts)
    }
  }

  private fail(error: unknown): void {
    this.failure = error
  }
}

/** How many requests it takes to read these parts again. */
function countRequests(stale: ReadonlySet<string>): number {
  const has = (part: string) => Number(stale.has(part))
  const points = Number(stale.has('curves') || stale.has('new points'))
  const validations = Number(stale.has('validations') || stale.has('new validations'))
  return points + validations + has('run') + has('segments') + 2 * has('checkpoints') + has('commands') + has('testResults')
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
  ['run.artifact', []], // the tab of artifacts reads them
])
