/** Labels of states, stop reasons and commands. A state that a newer tracker adds is shown under its own name. */
import { count } from './format'

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
  ['stopping_threshold', 'threshold reached'],
  ['divergence_threshold', 'diverged'],
  ['non_finite', 'not finite'],
  ['unrecoverable', 'broken again and again'],
  ['max_steps', 'all steps done'],
  ['max_seconds', 'time limit reached'],
  ['generalization_loss', 'generalization lost'],
  ['progress_quotient', 'generalization lost, no more progress'],
  ['upcrossing', 'validation kept getting worse'],
  ['peers', 'worse than other runs'],
  ['successive_halving', 'not promoted'],
  ['user', 'stopped by a person'],
  ['error', 'error'],
  ['worker_lost', 'worker lost'],
  ['stalled', 'training stalled'],
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

/** A run is shown as stalled while its training reports nothing, whatever its state. */
export function displayedState(run: { state: string; stalled_since?: string | null }): string {
  return run.stalled_since ? 'stalled' : run.state
}

/** The tracker's warning about a run, or an empty text. */
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
  return `${count(left)} ${left === 1 ? noun.replace(/s$/, '') : noun}`
}

/** Why a run has no output: a script keeps its console to itself unless it captures it. */
export function noOutputMessage(run: { state: string; spec: { source: { kind: string } } } | null): string {
  if (run?.spec.source.kind === 'external') return 'The script prints to its own terminal. Start it with keepbest.init(capture=True) to see its output here.'
  return run && FINAL.has(run.state) ? 'The run printed nothing.' : 'The run has printed nothing yet.'
}

/** "1 of 3". A worker that returns a run, or a pause at a rung, is no failure. A script's own run ends at its first failure. */
export function failedAttempts(run: { failed_attempts?: number | null; spec: { max_attempts?: number; source: { kind: string } } }): string {
  const failed = String(run.failed_attempts ?? 0)
  return run.spec.source.kind === 'external' ? failed : `${failed} of ${run.spec.max_attempts ?? 3}`
}

/** The title of the browser's tab: "▶ 0.9724 @2300 · digits". */
export function runTitle(run: { state: string; name: string }, best: string, step: number | null | undefined): string {
  const value = step === null || step === undefined ? '' : ` ${best} @${count(step)}`
  return `${stateLabel(run.state).mark}${value} · ${run.name}`
}
