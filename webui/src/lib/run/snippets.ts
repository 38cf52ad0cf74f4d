/** Commands and code that a reader may copy. Names that users chose are quoted for the shell or for Python. */
import type { ResumeOptions, ResumeAction } from './resumePoints'
import { formatPolicy, type Policy } from './policy'
import type { Rules } from './rules'
import type { Run } from '$lib/api/types'

/** Restores the best (null), the selected model (`selected`) or the checkpoint with this id. A script's run restores as arrays: only a recipe or submitted code surely trains a Keras model. */
export function restoreCommand(run: string, checkpoint: string | null, origin: string, source?: Source): string {
  const which = checkpoint === null ? ' --best' : checkpoint === 'selected' ? '' : ` --checkpoint ${checkpoint}`
  return `${loginLine(origin)}\nkeepbest restore ${run}${which} --to restored --as ${source?.kind === 'recipe' || source?.kind === 'code' ? 'keras' : 'npz'}`
}

export function restorePython(run: string, checkpoint: string, digest: string): string {
  return [
    'import keepbest',
    '',
    `# checkpoint ${checkpoint}`,
    `# digest ${digest}`,
    `model = keepbest.restore(${pythonString(run)}, checkpoint=${pythonString(checkpoint)})`,
  ].join('\n')
}

const COMMANDS = {
  roll_back: { command: 'rollback', usual: 'best' },
  fork: { command: 'fork', usual: 'best' },
  resume: { command: 'resume', usual: 'last' },
} as const

/** The command that does the same; it leaves out what is the default. */
export function resumeCommand(action: ResumeAction, run: string, options: ResumeOptions, named: { name?: string | null; project?: string | null } = {}): string {
  const { command, usual } = COMMANDS[action]
  const flags = [
    options.to !== null && options.to !== usual && `--to ${options.to}`,
    options.step !== null && `--step ${options.step}`,
    options.checkpoint !== null && `--checkpoint ${options.checkpoint}`,
    options.learning_rate !== null && `--learning-rate ${options.learning_rate}`,
    options.max_steps !== null && `--max-steps ${options.max_steps}`,
    options.reset_patience && '--reset-patience',
    named.name && `--name ${shellWord(named.name)}`,
    named.project && `--project ${shellWord(named.project)}`,
  ]
  return [`keepbest ${command} ${run}`, ...flags.filter(Boolean)].join(' ')
}

export function loginLine(origin: string): string {
  return `keepbest login ${origin}`
}

export function submitLines(origin: string, project: string): string {
  const named = project === 'default' ? '' : ` --project ${shellWord(project)}`
  return [loginLine(origin), `keepbest submit hvass-cnn --data digits${named} --follow`].join('\n')
}

/** The command that starts a first sweep. */
export function sweepLines(origin: string, project: string): string {
  const named = project === 'default' ? '' : ` --project ${shellWord(project)}`
  return [loginLine(origin), `keepbest sweep hvass-cnn --data digits${named} --tpe "learning_rate=log(1e-4, 1e-1)" --runs 20 --watch`].join('\n')
}

/** The command that sets the same rules, or example rules where the project has none. */
export function rulesLine(project: string, rules: Rules): string {
  const { stopper, median, max_steps: steps, max_seconds: seconds } = rules
  const options = [
    stopper && `--stop ${stopWord(formatPolicy(stopper as Policy))}`,
    median && `--median ${median.form} --startup-runs ${median.startup_runs}${median.start_from ? ` --start-from ${median.start_from}` : ''}`,
    steps != null && `--max-steps ${steps}`,
    seconds != null && `--max-seconds ${seconds}`,
  ].filter(Boolean)
  return `keepbest project rules ${shellWord(project)} ${options.join(' ') || '--stop "patience(10)" --median vizier --max-steps 20000'}`
}

/** The command that submits the next run of the same source with this policy. */
export function stopLine(source: Source, project: string, stopper: string): string {
  const named = project === 'default' ? '' : ` --project ${shellWord(project)}`
  const options = `${named} --stop ${stopWord(stopper)}`
  if (source.kind === 'command') return `keepbest submit${options} -- ${commandText(source.argv)}`
  return `keepbest submit ${shellWord(whatOf(source))}${options}`
}

type Source = Run['spec']['source']

function whatOf(source: Exclude<Source, { kind: 'command' }>): string {
  if (source.kind === 'recipe') return source.name
  return source.kind === 'code' ? source.entry : 'train.py'
}

/** The command that brings a deleted project back. */
export function undeleteLine(project: string): string {
  return `keepbest project rm ${shellWord(project)} --undo`
}

/** A policy needs double quotes only. Whatever else somebody typed is quoted as any text from a user. */
function stopWord(stopper: string): string {
  return /^[\w .,=|&()+-]*$/.test(stopper) ? `"${stopper}"` : shellWord(stopper)
}

/** The recipe, the code or the command that a run trains. */
export function describeSource(source: Run['spec']['source']): string {
  if (source.kind === 'recipe') return source.name
  if (source.kind === 'code') return source.entry
  if (source.kind === 'command') return commandText(source.argv)
  return source.imported ? `a run of ${source.imported.kind}` : 'a script'
}

/** The tool that a run came from, its own name for the run, and where the run was read. */
export function importedFrom(imported: { kind: string; source: string; place: string }): string {
  const place = imported.place && imported.place !== imported.source ? ` in ${imported.place}` : ''
  return `${imported.kind}: ${imported.source}${place}`
}

/** The command as a person would type it. */
export function commandText(argv: string[]): string {
  return argv.map(shellWord).join(' ')
}

export function shellWord(text: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

export function pythonString(text: string): string {
  return JSON.stringify(text)
}
