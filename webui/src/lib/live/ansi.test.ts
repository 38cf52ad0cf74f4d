import { describe, expect, it } from 'vitest'
import { parseAnsi, PLAIN, sliceSpans } from './ansi'

const shown = (text: string) => parseAnsi(text).spans.map((span) => [span.text, span.style.color, span.style.bold])

describe('parseAnsi', () => {
  it.each([
    ['plain', [['plain', null, false]]],
    ['\x1b[31mred\x1b[0m rest', [['red', 1, false], [' rest', null, false]]],
    ['\x1b[1;32mok', [['ok', 2, true]]],
    ['\x1b[95mbright\x1b[39m', [['bright', 13, false]]],
    ['\x1b[38;5;9mnine\x1b[38;2;1;2;3mother', [['nine', 9, false], ['other', null, false]]],
    ['\x1b[2Ka\x1b]0;title\x07b', [['ab', null, false]]],
    ['\x1b[31m\x1b[m', []],
    ['<b>\x1b[m', [['<b>', null, false]]],
  ])('%j', (text, spans) => expect(shown(text)).toEqual(spans))

  it('carries a colour on to the next line', () => {
    const { style } = parseAnsi('\x1b[33mfirst')
    expect(parseAnsi('second', style).spans).toEqual([{ text: 'second', style: { ...PLAIN, color: 3 } }])
  })
})

it('cuts spans at any place', () => {
  const { spans } = parseAnsi('ab\x1b[31mcd\x1b[0mef')
  expect(sliceSpans(spans, 1, 5).map((span) => span.text)).toEqual(['b', 'cd', 'e'])
  expect(sliceSpans(spans, 2, 4).map((span) => span.style.color)).toEqual([1])
})
