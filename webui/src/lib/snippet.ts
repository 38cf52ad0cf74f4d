/** Commands and code that a reader may copy; names from users are quoted for the language they go into. */

/** Restores the best, or the checkpoint with this id. */
export function restoreCommand(run: string, checkpoint: string | null, origin: string): string {
  const which = checkpoint === null ? '--best' : `--checkpoint ${checkpoint}`
  return `${loginLine(origin)}\nkeepbest restore ${run} ${which} --to restored --as keras`
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
