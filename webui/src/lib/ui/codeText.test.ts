import { expect, it } from 'vitest'
import { splitCode } from './codeText'

it.each([
  ['nothing', [['nothing', false]]],
  ['run `keepbest ls` now', [['run ', false], ['keepbest ls', true], [' now', false]]],
  ['`a` and `b`', [['a', true], [' and ', false], ['b', true]]],
  ['one ` alone', [['one ` alone', false]]],
  ['``', [['``', false]]],
  ['`<b>`', [['<b>', true]]],
  ['', []],
])('%s', (message, parts) => expect(splitCode(message).map(({ text, isCode }) => [text, isCode])).toEqual(parts))
