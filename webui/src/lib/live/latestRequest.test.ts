import { expect, it } from 'vitest'
import { LatestRequest } from './latestRequest'

/** Questions wait until the test answers them. */
function desk() {
  const open: { question: number; answer: (text: string) => void; fail: (error: Error) => void }[] = []
  const heard: string[] = []
  const latest = new LatestRequest<number, string>(
    (question) => new Promise((answer, fail) => open.push({ question, answer, fail })),
    { answer: (text, question) => heard.push(`${question} ${text}`), error: (error) => heard.push(String(error)) },
  )
  return { open, heard, latest }
}
const settled = () => new Promise((done) => setTimeout(done))

it('asks one at a time and leaves out what was overtaken', async () => {
  const { open, heard, latest } = desk()
  ;[1, 2, 3].forEach((question) => latest.want(question))
  expect(open.map((one) => one.question)).toEqual([1])
  open[0]!.answer('a')
  await settled()
  expect(open.map((one) => one.question)).toEqual([1, 3])
  open[1]!.fail(new Error('no'))
  await settled()
  expect(heard).toEqual(['1 a', 'Error: no'])
})

it('says nothing after the page has gone', async () => {
  const { open, heard, latest } = desk()
  latest.want(1)
  latest.stop()
  open[0]!.answer('late')
  await settled()
  expect(heard).toEqual([])
})
