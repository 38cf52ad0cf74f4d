import { describe, expect, it } from 'vitest'
import { MAX_LINES, Output } from './logLines'

const piece = (text: string, stream = 'stdout') => ({ seq: 0, stream, text })
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

  it('leaves a progress bar as a terminal would, and drops colours', () => {
    const output = new Output()
    output.add([piece(' 1/10\r 5/10\r10/10\n'), piece('\u001b[31mred\u001b[0m\r\n')])
    expect(texts(output)).toEqual(['10/10', 'red'])
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
