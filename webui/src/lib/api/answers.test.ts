import { expect, it } from 'vitest'
import { Answers } from './answers.svelte'

/** Requests wait until the test answers them. */
function server() {
  const open: { answer: (text: string) => void; fail: (error: Error) => void }[] = []
  const answers = new Answers<string[], string>(() => new Promise((answer, fail) => open.push({ answer, fail })))
  return { open, answers }
}
const settled = () => new Promise((done) => setTimeout(done))

it('keeps an answer with its question', async () => {
  const { open, answers } = server()
  answers.ask(['a', 'b'])
  open[0]!.answer('two')
  await settled()
  expect(answers.latest).toEqual({ question: ['a', 'b'], answer: 'two' })
})

it('drops the late answer and the late failure of an earlier question', async () => {
  for (const late of ['answer', 'fail'] as const) {
    const { open, answers } = server()
    answers.ask(['a', 'b'])
    answers.ask(['a'])
    if (late === 'answer') open[0]!.answer('two')
    else open[0]!.fail(new Error('no'))
    await settled()
    expect([answers.latest, answers.error]).toEqual([null, null])
    open[1]!.answer('one')
    await settled()
    expect(answers.latest).toEqual({ question: ['a'], answer: 'one' })
  }
})

it('takes every answer of a question that is asked again and again', async () => {
  const { open, answers } = server()
  answers.ask(['a'])
  answers.ask(['a'])
  open[0]!.answer('first')
  await settled()
  expect(answers.latest?.answer).toBe('first')
  open[1]!.fail(new Error('away'))
  await settled()
  expect([answers.latest?.answer, answers.error]).toEqual(['first', 'away'])
})
