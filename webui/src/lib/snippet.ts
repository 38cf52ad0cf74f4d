/** Commands and code that a reader may copy; names from users are quoted for the language they go into. */

export function restoreCommand(run: string, step: number | 'best', origin: string): string {
  const which = step === 'best' ? '--best' : `--step ${step}`
  return `${loginLine(origin)}\nkeepbest restore ${run} ${which} --to model.keras --as keras`
}

export function restorePython(run: string, checkpoint: string, digest: string): string {
  return [
    'import keepbest',
    '',
    `# checkpoint ${checkpoint}`,
    `# digest ${digest}`,
    `keepbest.restore(${pythonString(run)}, model, checkpoint=${pythonString(checkpoint)})`,
  ].join('\n')
}

export function loginLine(origin: string): string {
  return `keepbest login ${origin}`
}

export function submitLines(origin: string, project: string): string {
  const named = project === 'default' ? '' : ` --project ${shellWord(project)}`
  return [loginLine(origin), `keepbest submit hvass-cnn --data digits${named} --follow`].join('\n')
}

export function shellWord(text: string): string {
  return /^[A-Za-z0-9._/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

export function pythonString(text: string): string {
  return JSON.stringify(text)
}
