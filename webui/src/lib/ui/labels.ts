/** States, reasons and commands in words. A word that a newer tracker adds is shown as it is, not hidden. */

export type Tone = 'idle' | 'active' | 'good' | 'bad' | 'warn'

const STATES = new Map<string, { label: string; tone: Tone; mark: string }>([
  ['queued', { label: 'queued', tone: 'idle', mark: '…' }],
  ['leased', { label: 'starting', tone: 'active', mark: '▷' }],
  ['running', { label: 'running', tone: 'active', mark: '▶' }],
  ['stalled', { label: 'stalled', tone: 'warn', mark: '!' }],
  ['paused', { label: 'paused', tone: 'warn', mark: '‖' }],
  ['finished', { label: 'finished', tone: 'good', mark: '✓' }],
  ['failed', { label: 'failed', tone: 'bad', mark: '✕' }],
  ['cancelled', { label: 'cancelled', tone: 'idle', mark: '⊘' }],
])

const REASONS = new Map([
  ['patience', 'patience ran out'],
  ['stopping_threshold', 'target reached'],
  ['divergence_threshold', 'diverged'],
  ['non_finite', 'not finite'],
  ['max_steps', 'all steps done'],
  ['max_seconds', 'time was up'],
  ['generalization_loss', 'generalization lost'],
  ['progress_quotient', 'generalization lost, no more progress'],
  ['upcrossing', 'kept getting worse'],
  ['peers', 'others were better'],
  ['successive_halving', 'not promoted'],
  ['user', 'stopped by a person'],
  ['error', 'error'],
  ['worker_lost', 'worker lost'],
  ['stalled', 'stood still'],
])

const COMMANDS = new Map([
  ['stop', 'Stop'],
  ['roll_back', 'Roll back'],
  ['checkpoint', 'Checkpoint now'],
  ['cancel', 'Cancel'],
])

export const FINAL: ReadonlySet<string> = new Set(['finished', 'failed', 'cancelled'])

export function stateLabel(state: string): { label: string; tone: Tone; mark: string } {
  return STATES.get(state) ?? { label: state, tone: 'idle', mark: '·' }
}

/** A run whose training gives no sign of life is stalled, whatever its state. */
export function displayedState(run: { state: string; stalled_since?: string | null }): string {
  return run.stalled_since ? 'stalled' : run.state
}

/** What is wrong with a run just now, in the tracker's words. */
export function warningOf(run: { id: string; warning?: string | null }): string {
  return run.warning ?? ''
}

export function reasonLabel(reason: string | null | undefined): string {
  return reason ? (REASONS.get(reason) ?? reason.replaceAll('_', ' ')) : ''
}

export function commandLabel(kind: string): string {
  return COMMANDS.get(kind) ?? kind.replaceAll('_', ' ')
}

/** "1 check", "300 steps". */
export function patienceLabel(left: number, unit: string | null | undefined): string {
  const noun = unit ?? 'checks'
  return `${left} ${left === 1 ? noun.replace(/s$/, '') : noun}`
}

/** Why there is no output of a run: a script's console is its own until it says otherwise. */
export function noOutputMessage(run: { state: string; spec: { source: { kind: string } } } | null): string {
  if (run?.spec.source.kind === 'external') return 'What its script prints is where it runs; keepbest.init(capture=True) keeps it here too.'
  return run && FINAL.has(run.state) ? 'It printed nothing.' : 'Nothing was printed yet.'
}

/** "1 of 3": a hand-back, or a pause at a rung, is no failure. The first failure ends a script's own run. */
export function failedAttempts(run: { failed_attempts?: number | null; spec: { max_attempts?: number; source: { kind: string } } }): string {
  const failed = String(run.failed_attempts ?? 0)
  return run.spec.source.kind === 'external' ? failed : `${failed} of ${run.spec.max_attempts ?? 3}`
}

/** The tab's title says how the run stands: "▶ 0.9724 @2300 · digits". */
export function runTitle(run: { state: string; name: string }, best: string, step: number | null | undefined): string {
  const value = step === null || step === undefined ? '' : ` ${best} @${step}`
  return `${stateLabel(run.state).mark}${value} · ${run.name}`
}
