import { expect, it } from 'vitest'
import { pythonString, shellWord, submitLines } from './snippet'

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
