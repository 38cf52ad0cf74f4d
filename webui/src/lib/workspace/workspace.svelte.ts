/** What the page of a project knows and does: the view in its address, the list, and what keys and buttons change. */
import { api } from '$lib/api/client'
import { search } from '$lib/api/search'
import type { ProjectFields, Run } from '$lib/api/types'
import { readInTurn } from '$lib/live/connection.svelte'
import { patchOfField, type EditedField } from '$lib/run/edit'
import { router } from '$lib/ui/router.svelte'
import { comparePath, projectPath } from '$lib/ui/routes'
import { toasts } from '$lib/ui/toasts.svelte'
import { allColumns, askedColumns, shownColumns } from './columns'
import { listQueryOf, RunWindow, statesOf } from './runWindow.svelte'
import { Sparklines } from './sparklines.svelte'
import { count, countOrMore } from '$lib/ui/format'
import { between, eyesOn, VIEW_DEFAULTS, MAX_COMPARED, MAX_PINS, readWorkspace, shownRuns, toggleEye, togglePin, writeWorkspace, type WorkspaceView } from './view'

/** New runs may bring new names. */
const FIELDS_MS = 5000

export class Workspace {
  fields: ProjectFields | null = $state.raw(null)
  chosen: string | null = $state(null)
  editing: { run: string; field: EditedField } | null = $state(null)
  view: WorkspaceView = $derived(readWorkspace(router.query))
  list: RunWindow
  sparklines = new Sparklines()
  all = $derived(allColumns(this.fields))
  columns = $derived(shownColumns(this.all, this.view.columns, this.fields, !this.view.table))
  /** Baseline and pinned runs first, whatever the order of the list. */
  rows: Run[] = $derived.by(() => {
    const fixed = new Set([...(this.view.base ? [this.view.base] : []), ...this.view.pins])
    const known = [...fixed].flatMap((id) => this.find(id) ?? [])
    return [...known, ...this.list.rows.filter((run) => !fixed.has(run.id))]
  })
  listed = $derived(this.rows.map((run) => run.id))
  shown = $derived.by(() => shownRuns(this.list.rows.map((run) => run.id), this.view))
  /** "50 of 312" where more eyes are on than one page shows. */
  shownWords = $derived.by(() => {
    const on = eyesOn(this.list.rows.map((run) => run.id), this.view).length
    return on > this.shown.length ? `${count(this.shown.length)} of ${count(on)}` : count(on)
  })
  /** "312", or "10,000+" where the tracker stopped counting. */
  totalWords = $derived.by(() => countOrMore(this.list.total, this.list.isLeast))
  shownRuns: Run[] = $derived(this.shown.flatMap((id) => this.find(id) ?? []))
  picked: Run[] = $derived(this.view.picked.flatMap((id) => this.find(id) ?? []))
  base: Run | null = $derived(this.view.base ? (this.find(this.view.base) ?? null) : null)
  private anchor: string | null = null
  private path = router.path
  private hasAskedFields = false
  private refreshingFields = readInTurn(FIELDS_MS, () => this.loadFields())

  constructor(readonly project: string) {
    this.list = new RunWindow(project)
  }

  stop(): void {
    this.list.stop()
    this.refreshingFields.stop()
  }

  /** Reads the names for columns and suggestions: at once the first time, then in turn with the other pages. */
  readFields(): void {
    if (this.hasAskedFields) return this.refreshingFields.call()
    this.hasAskedFields = true
    void this.loadFields()
  }

  /** The states that the list is narrowed to, with commas between. */
  get states(): string {
    return statesOf(this.view.group)
  }

  /** Asks for the list that the address names. */
  readList(): void {
    this.list.show(listQueryOf(this.view, askedColumns(this.columns)))
  }

  find(id: string): Run | undefined {
    return this.list.rows.find((run) => run.id === id) ?? this.list.kept.get(id)
  }

  /** A change is a step of the history, so that Back undoes it. */
  change(patch: Partial<WorkspaceView>): void {
    if (this.isOpen()) router.go(this.addressOf(patch))
  }

  /** All changes of one gesture are one step, until it ends: typing, sliding, dragging. */
  drag(gesture: string, patch: Partial<WorkspaceView>, isEnd = false): void {
    if (!this.isOpen()) return
    router.drag(this.addressOf(patch), gesture)
    if (isEnd) router.drop()
  }

  /** Ends a gesture that changed what it had to. */
  drop(): void {
    if (this.isOpen()) router.drop()
  }

  showAll(): void {
    this.change({ q: VIEW_DEFAULTS.q, group: VIEW_DEFAULTS.group })
  }

  /** Sorts by the column behind the one that the list is sorted by. */
  sortByNext(): void {
    const columns = [{ sort: 'number' }, { sort: 'name' }, ...this.columns.filter(({ sort }) => sort)]
    const at = columns.findIndex(({ sort }) => sort === this.view.sort)
    this.sortBy(columns[(at + 1) % columns.length]!)
  }

  sortBy({ sort, mode }: { sort?: string; mode?: string }): void {
    if (!sort) return
    const better = mode ?? (sort === 'best' || sort === 'last' ? this.list.rows.find((run) => run.mode !== 'auto')?.mode : undefined)
    const first = better ? better === 'max' : sort !== 'name' && sort !== 'worker'
    this.change({ sort, down: this.view.sort === sort ? !this.view.down : first })
  }

  /** Moves to another row; with Shift it selects what it passes. Returns the place of the row. */
  step(by: number, isSelecting = false): number {
    const at = this.chosen === null ? -1 : this.listed.indexOf(this.chosen)
    const next = Math.min(this.listed.length - 1, Math.max(0, at + by))
    const before = this.chosen
    this.chosen = this.listed[next] ?? null
    if (isSelecting) this.drag('select', { picked: [...new Set([...this.view.picked, ...[before, this.chosen].filter((id): id is string => id !== null)])] })
    return next
  }

  /** Selects the run, or takes it out; with Shift so does every run between it and the one before. */
  pick(run: string, isRange = false): void {
    const { picked } = this.view
    const passed = isRange ? between(this.listed, this.anchor, run) : [run]
    this.anchor = run
    this.change({ picked: picked.includes(run) ? picked.filter((id) => !passed.includes(id)) : [...new Set([...picked, ...passed])] })
  }

  /** Opens a field in the row of the run; null closes it. */
  edit(run: string, field: EditedField | null): void {
    this.editing = field && { run, field }
  }

  async save(run: string, field: EditedField, before: string, after: string): Promise<void> {
    const patch = patchOfField(field, before, after)
    if (patch) await api.rename(run, patch).then((saved) => this.list.put(saved), (error: unknown) => toasts.showError(error))
  }

  toggleEye(run: string): void {
    this.change(toggleEye(this.view, run, this.shown.includes(run)))
  }

  togglePin(run: string): void {
    const pins = togglePin(this.view.pins, run)
    if (pins) this.change({ pins })
    else toasts.showError(new Error(`At most ${MAX_PINS} runs can be pinned. Take a pin away first.`))
  }

  toggleBase(run: string): void {
    this.change({ base: this.view.base === run ? '' : run })
  }

  compare(): void {
    const runs = this.view.picked.length >= 2 ? this.view.picked : this.shown
    if (runs.length > MAX_COMPARED) toasts.show(`Comparing the first ${MAX_COMPARED} of ${runs.length} runs.`)
    if (runs.length >= 2) router.go(comparePath(this.project, runs.slice(0, MAX_COMPARED)))
    else toasts.showError(new Error('Select two runs or more to compare them: j and k go to a run, x selects it.'))
  }

  /** A project without runs has no fields; where they cannot be read, those that the page has stay. */
  private async loadFields(): Promise<void> {
    this.fields = await search.fields(this.project).catch(() => this.fields)
  }

  /** A field that loses its focus because the page is left changes nothing more. */
  private isOpen(): boolean {
    return router.path === this.path
  }

  private addressOf(patch: Partial<WorkspaceView>): string {
    return projectPath(this.project) + writeWorkspace({ ...this.view, ...patch })
  }
}
