import { describe, expect, it } from 'vitest'
import { commandText, resumeCommand, pythonString, restoreCommand, shellWord, describeSource, importedFrom, stopLine, submitLines, undeleteLine } from './snippets'

it.each([
  ['plain-name', 'plain-name'],
  ['two words', "'two words'"],
  ["it's; rm -rf /", `'it'\\''s; rm -rf /'`],
  ['$(id)', "'$(id)'"],
  ['', "''"],
])('shellWord(%j) = %s', (text, word) => expect(shellWord(text)).toBe(word))

it('quotes for Python', () => expect(pythonString('a"b\\c\n')).toBe('"a\\"b\\\\c\\n"'))

it('names the project only when it is not the default one', () => {
  expect(submitLines('http://host:1', 'default')).not.toContain('--project')
  expect(submitLines('http://host:1', 'a b')).toContain("--project 'a b'")
})

it('suggests a format that the checkpoint can be written in', () => {
  // --as keras was wrong for a loop over variables and for a session: neither describes a network.
  expect(restoreCommand('run', null, 'http://host:1')).toBe('keepbest login http://host:1\nkeepbest restore run --best --to restored --as npz')
  expect(restoreCommand('run', 'selected', 'http://host:1')).toContain('keepbest restore run --to restored')
  expect(restoreCommand('run', 'abc', 'http://host:1', { kind: 'external' })).toContain('restore run --checkpoint abc --to restored --as npz')
  expect(restoreCommand('run', 'abc', 'http://host:1', { kind: 'recipe', name: 'hvass-cnn' })).toContain('--to restored --as keras')
  expect(restoreCommand('run', 'abc', 'http://host:1', { kind: 'code', bundle: 'b', git: null, entry: 'm.py:build' })).toContain('--to restored --as keras')
})

describe('resumeCommand', () => {
  const usual = { to: null, step: null, checkpoint: null, learning_rate: null, max_steps: null, reset_patience: false }

  it('leaves out the defaults of the command', () => {
    expect(resumeCommand('roll_back', 'run', { ...usual, to: 'best' })).toBe('keepbest rollback run')
    expect(resumeCommand('resume', 'run', { ...usual, to: 'last' })).toBe('keepbest resume run')
    expect(resumeCommand('resume', 'run', { ...usual, to: 'best' })).toBe('keepbest resume run --to best')
    expect(resumeCommand('fork', 'run', { ...usual, to: 'last' })).toBe('keepbest fork run --to last')
  })

  it('names the resume point and every override', () => {
    expect(resumeCommand('roll_back', 'run', { ...usual, step: 0 })).toBe('keepbest rollback run --step 0')
    const changed = { ...usual, checkpoint: 'abc', learning_rate: '0.1x', max_steps: 20000, reset_patience: true }
    expect(resumeCommand('fork', 'run', changed)).toBe(
      'keepbest fork run --checkpoint abc --learning-rate 0.1x --max-steps 20000 --reset-patience',
    )
    expect(resumeCommand('fork', 'run', { ...usual, to: 'best' }, { name: "it's; rm", project: 'team/a' })).toBe(
      `keepbest fork run --name 'it'\\''s; rm' --project team/a`,
    )
  })
})

it.each([
  [{ kind: 'recipe', name: 'hvass-cnn' }, 'hvass-cnn'],
  [{ kind: 'code', bundle: 'b', git: null, entry: 'net/model.py:build' }, 'net/model.py:build'],
  [{ kind: 'command', bundle: 'b', git: null, argv: ['python', 'a b.py'] }, "python 'a b.py'"],
  [{ kind: 'external' }, 'a script'],
  [{ kind: 'external', imported: { kind: 'mlflow', source: 'a', place: '' } }, 'a run of mlflow'],
] as const)('%o is described by what it trains', (source, words) => expect(describeSource(source as never)).toBe(words))

it('tells where a run was imported from', () => {
  expect(importedFrom({ kind: 'mlflow', source: 'abc', place: 'mlruns' })).toBe('mlflow: abc in mlruns')
  expect(importedFrom({ kind: 'csv', source: 'log.csv', place: 'log.csv' })).toBe('csv: log.csv')
})

it('shows a command as it would be typed', () => expect(commandText(['python', 'my file.py', '$(id)'])).toBe("python 'my file.py' '$(id)'"))

it.each([
  ['default', 'patience(7) | check_finite()', 'keepbest submit hvass-cnn --stop "patience(7) | check_finite()"'],
  ['a b', '$(rm -rf /)', `keepbest submit hvass-cnn --project 'a b' --stop '$(rm -rf /)'`],
  ['default', 'require("recall >= 0.9", 10)', `keepbest submit hvass-cnn --stop 'require("recall >= 0.9", 10)'`],
])('in %s, a policy %s is quoted for the shell', (project, stopper, line) => expect(stopLine({ kind: 'recipe', name: 'hvass-cnn' }, project, stopper)).toBe(line))

it('submits a script of the same kind again', () => {
  const command = { kind: 'command', bundle: 'b', git: null, argv: ['python', 'my train.py'] } as const
  expect(stopLine({ ...command, argv: [...command.argv] }, 'default', '7')).toBe(`keepbest submit --stop "7" -- python 'my train.py'`)
  expect(stopLine({ kind: 'code', bundle: 'b', git: null, entry: 'net.py:build' }, 'default', '7')).toBe(`keepbest submit 'net.py:build' --stop "7"`)
})

it('quotes the name of a deleted project', () => expect(undeleteLine('team/a b')).toBe("keepbest project rm 'team/a b' --undo"))
