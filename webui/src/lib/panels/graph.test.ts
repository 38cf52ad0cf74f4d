import { expect, test } from 'vitest'
import { scopeIds, initiallyOpen, visibleGraph } from './graph'
import type { GraphData } from '$lib/api/types'

const node = (id: string, parent: string | null, type = 'scope') => ({ id, label: id.split('/').at(-1)!, type, parent, shape: '', parameters: 0 })
const GRAPH: GraphData = {
  kind: 'graph',
  nodes: [node('net', null), node('net/a', 'net'), node('net/b', 'net'), node('x', null, 'Placeholder'), node('net/a/mul', 'net/a', 'MatMul'), node('net/a/add', 'net/a', 'Add'), node('net/b/mul', 'net/b', 'MatMul')],
  edges: [
    { source: 'x', target: 'net/a/mul', shape: '?x8' },
    { source: 'net/a/mul', target: 'net/a/add', shape: '?x3' },
    { source: 'net/a/add', target: 'net/b/mul', shape: '?x3' },
  ],
}

test('a closed scope stands for its nodes', () => {
  const seen = visibleGraph(GRAPH, new Set())
  expect(seen.nodes.map((one) => one.id)).toEqual(['net', 'x'])
  expect(seen.edges).toEqual([{ source: 'x', target: 'net', shapes: ['?x8'] }])
})

test('an open scope shows its parts, and edges lead to them', () => {
  const seen = visibleGraph(GRAPH, new Set(['net']))
  expect(seen.nodes.map((one) => one.id)).toEqual(['net', 'net/a', 'net/b', 'x'])
  expect(seen.edges.map((one) => [one.source, one.target])).toEqual([['x', 'net/a'], ['net/a', 'net/b']])
})

test('a scope that is open within a closed one stays hidden', () => {
  expect(visibleGraph(GRAPH, new Set(['net/a'])).nodes.map((one) => one.id)).toEqual(['net', 'x'])
})

test('a graph begins with its only scope open', () => {
  expect([...scopeIds(GRAPH)]).toEqual(['net', 'net/a', 'net/b'])
  expect([...initiallyOpen(GRAPH)]).toEqual(['net'])
})
