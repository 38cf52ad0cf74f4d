import { expect, it } from 'vitest'
import { latestPath, pathOfHash, projectPath, projectSettingsPath, replayPath, routeOf, rulesPath, runPath, sweepPath, sweepsPath } from './routes'

it.each([
  ['/', { page: 'projects' }],
  ['/p/digits/rules', { page: 'rules', project: 'digits' }],
  ['/p/digits/settings', { page: 'projectSettings', project: 'digits' }],
  ['/p/digits', { page: 'runs', project: 'digits' }],
  ['/p/digits/', { page: 'runs', project: 'digits' }],
  ['/p/digits/latest', { page: 'latest', project: 'digits' }],
  ['/p/digits/compare', { page: 'compare', project: 'digits' }],
  ['/p/digits/replay', { page: 'replay', project: 'digits' }],
  ['/p/digits/sweeps', { page: 'sweeps', project: 'digits' }],
  ['/s/abc123', { page: 'sweep', sweep: 'abc123' }],
  ['/r/abc123', { page: 'run', run: 'abc123' }],
  ['/settings', { page: 'settings' }],
  ['/storage', { page: 'storage' }],
  ['/team', { page: 'team' }],
  ['/playground', { page: 'playground' }],
  ['/p', { page: 'missing' }],
  ['/p/a/b/c', { page: 'missing' }],
  ['/%E0%A4%A', { page: 'missing' }],
])('%s', (path, route) => expect(routeOf(path)).toEqual(route))

it.each([
  ['#/experiments/1/runs/abc123', '/r/abc123'],
  ['#/experiments/0/runs/abc123/model-metrics?x=1', '/r/abc123'],
  ['#/experiments/1', null],
  ['#code=kb_1', null],
  ['', null],
])('MLflow prints %s', (hash, path) => expect(pathOfHash(hash)).toBe(path))

it.each(['team/vision', 'a b', 'x/latest', '100%', '<script>'])('a project called %s has an address of its own', (name) => {
  expect(routeOf(projectPath(name))).toEqual({ page: 'runs', project: name })
  expect(routeOf(latestPath(name))).toEqual({ page: 'latest', project: name })
  expect(routeOf(replayPath(name))).toEqual({ page: 'replay', project: name })
  expect(routeOf(rulesPath(name))).toEqual({ page: 'rules', project: name })
  expect(routeOf(projectSettingsPath(name))).toEqual({ page: 'projectSettings', project: name })
  expect(routeOf(sweepsPath(name))).toEqual({ page: 'sweeps', project: name })
  expect(routeOf(sweepPath(name))).toEqual({ page: 'sweep', sweep: name })
  expect(routeOf(runPath(name))).toEqual({ page: 'run', run: name })
})
