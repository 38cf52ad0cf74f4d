import { describe, expect, it } from 'vitest'
import { findRows, levelOf, markedSpans, MAX_LINES, Output, rowAt, outputRows } from './logLines'

const piece = (text: string, stream = 'stdout', at = '2026-01-01T00:00:00Z') => ({ seq: 0, stream, text, at })
const texts = (output: Output) => output.lines().map((line) => line.text)

describe('Output', () => {
  it('joins lines that were cut anywhere', () => {
    const output = new Output()
    output.add([piece('one\ntw')])
    expect(texts(output)).toEqual(['one', 'tw'])
    output.add([piece('o\nthree\n')])
    expect(texts(output)).toEqual(['one', 'two', 'three'])
  })

  it('does not mix the streams', () => {
    const output = new Output()
    output.add([piece('out'), piece('err', 'stderr'), piece('put\n'), piece('or\n', 'stderr')])
    expect(output.lines().map((line) => [line.stream, line.text])).toEqual([['stdout', 'output'], ['stderr', 'error']])
  })

  it('leaves a progress bar as a terminal would, and keeps colours apart from the text', () => {
    const output = new Output()
    output.add([piece(' 1/10\r 5/10\r10/10\n'), piece('\u001b[31mred\u001b[0m\r\n')])
    expect(texts(output)).toEqual(['10/10', 'red'])
    expect(output.lines()[1]!.spans).toMatchObject([{ text: 'red', style: { color: 1 } }])
  })

  it('keeps the newest lines and says how many it dropped', () => {
    const output = new Output()
    output.add([piece('x\n'.repeat(MAX_LINES + 5))])
    expect(output.lines()).toHaveLength(MAX_LINES)
    expect(output.dropped).toBe(5)
  })

  it('gives every line a name of its own', () => {
    const output = new Output()
    output.add([piece('a\nb\nc'), piece('d', 'stderr')])
    expect(new Set(output.lines().map((line) => line.id)).size).toBe(4)
  })
})

it('tells keepbest\'s own messages from the output of the script', () => {
  const output = new Output()
  output.add([piece('keepbest: the tracker answers again\n', 'stderr'), piece('mine\n', 'stderr')])
  expect(output.lines().map((line) => line.stream)).toEqual(['keepbest', 'stderr'])
})

it.each([
  ['step 100: val_accuracy 0.9', ''],
  ['no errors here', ''],
  ['ValueError: units must be positive', 'error'],
  ['Traceback (most recent call last):', 'error'],
  ['2026-01-01 10:00:00 ERROR disk full', 'error'],
  ['E0000 00:00:17 cuda_dnn.cc:8310] Unable to register', 'error'],
  ['UserWarning: your dataset ran out', 'warning'],
  ['W0000 00:00:17 computation_placer.cc:177] already registered', 'warning'],
])('%s is of level "%s"', (text, level) => expect(levelOf(text)).toBe(level))

describe('outputRows', () => {
  const lines = (text: string) => {
    const output = new Output()
    output.add([piece(text)])
    return output.lines()
  }
  const parts = (text: string, columns: number | null) => outputRows(lines(text), columns).map((row) => row.line.text.slice(row.from, row.to))

  it.each([
    ['short', 10, ['short']],
    ['one two three four', 10, ['one two ', 'three four']],
    ['abcdefghijklmno', 6, ['abcdef', 'ghijkl', 'mno']],
    ['never wrapped', null, ['never wrapped']],
    ['a\nb', 10, ['a', 'b']],
  ])('%j in %s columns', (text, columns, wanted) => expect(parts(text, columns)).toEqual(wanted))

  it('loses no letter, whatever the width', () => {
    const text = 'the quick  brown fox jumps over the lazy dog '.repeat(5)
    for (const columns of [1, 2, 7, 40, 1000]) expect(parts(text, columns).join('')).toBe(text)
  })

  it('finds the lines with some words, each once', () => {
    expect(findRows(outputRows(lines('one step\ntwo\nSTEP three'), 4), 'step')).toEqual([0, 3])
    expect(findRows(outputRows(lines('one'), null), '')).toEqual([])
  })

  it('marks every match, also one that is cut between two rows', () => {
    const marked = (text: string, columns: number | null) =>
      outputRows(lines(text), columns).map((row) => markedSpans(row, 'LOSS').map(({ text, isMatch }) => (isMatch ? `[${text}]` : text)).join(''))
    expect(marked('loss, val_loss\x1b[31m end', null)).toEqual(['[loss], val_[loss] end'])
    expect(marked('abcloss', 5)).toEqual(['abc[lo]', '[ss]'])
  })

  it('finds what was printed at a moment', () => {
    const output = new Output()
    output.add([piece('a\n'), piece('b\n', 'stdout', '2026-01-01T00:00:05Z'), piece('c\n', 'stderr', '2026-01-01T00:00:09Z')])
    const rows = outputRows(output.lines(), null)
    expect([rowAt(rows, '2026-01-01T00:00:04Z'), rowAt(rows, '2026-01-01T00:00:09Z'), rowAt(rows, '2027-01-01T00:00:00Z')]).toEqual([1, 2, 2])
  })
})
