import { expect, it } from 'vitest'
import { routeOf } from '$lib/ui/routes'
import { describeShared, filterOfShared, isShared } from './shared'

const RUN = { project: 'team/digits', run: 'abc123' }
const VIEW = { project: 'team/digits', run: null }

it.each([
  ['/r/abc123', true, true],
  ['/r/other', false, true],
  ['/p/team%2Fdigits', false, true],
  ['/p/team%2Fdigits/compare', false, true],
  ['/p/team%2Fdigits/settings', false, false],
  ['/p/digits', false, false],
  ['/', false, false],
  ['/settings', false, false],
  ['/shared', true, true],
])('%s: a link to a run shows it: %s, to a view: %s', (path, byRun, byView) => {
  expect([isShared(routeOf(path), RUN), isShared(routeOf(path), VIEW)]).toEqual([byRun, byView])
})

it('says what a link shows', () => {
  expect(describeShared({ ...RUN, run_name: 'first' })).toBe('run first')
  expect(describeShared({ ...VIEW, q: 'tag = paper' })).toBe('the runs of team/digits that fit tag = paper')
  expect(describeShared(VIEW)).toBe('the runs of team/digits')
})

it.each([
  ['', '', ''],
  ['tag = a or tag = b', '', 'tag = a or tag = b'],
  ['', 'finished', 'state in (finished)'],
  ['tag = a or tag = b', 'queued,running', '(tag = a or tag = b) and state in (queued, running)'],
])('narrows %j to the states %j', (q, states, filter) => expect(filterOfShared(q, states)).toBe(filter))
