import { expect, it } from 'vitest'
import { LatestRequest } from './latestRequest'

/** Requests wait until the test answers them. */
function server() {
  const open: { query: number; answer: (text: string) => void; fail: (error: Error) => void }[] = []
  const heard: string[] = []
  const latest = new LatestRequest<number, string>(
    (query) => new Promise((answer, fail) => open.push({ query, answer, fail })),
    { answer: (text, query) => heard.push(`${query} ${text}`), error: (error) => heard.push(String(error)) },
  )
  return { open, heard, latest }
}
const settled = () => new Promise((done) => setTimeout(done))

it('sends one request at a time and only the latest query that waited', async () => {
  const { open, heard, latest } = server()
  ;[1, 2, 3].forEach((query) => latest.send(query))
  expect(open.map((request) => request.query)).toEqual([1])
  open[0]!.answer('a')
  await settled()
  expect(open.map((request) => request.query)).toEqual([1, 3])
  open[1]!.fail(new Error('no'))
  await settled()
  expect(heard).toEqual(['1 a', 'Error: no'])
})

it('calls no handler after it was stopped', async () => {
  const { open, heard, latest } = server()
  latest.send(1)
  latest.stop()
  open[0]!.answer('late')
  await settled()
  expect(heard).toEqual([])
})
