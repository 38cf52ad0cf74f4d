/** The visible part of a graph of nested scopes: a closed scope stands for the nodes that it holds. */
import type { GraphData, GraphNode } from '$lib/api/types'

export interface VisibleEdge {
  source: string
  target: string
  shapes: string[]
}
export interface VisibleGraph {
  nodes: GraphNode[]
  edges: VisibleEdge[]
}

/** The ids of the nodes that hold others. */
export function scopeIds(graph: GraphData): Set<string> {
  return new Set(graph.nodes.flatMap((node) => (node.parent ? [node.parent] : [])))
}

/** Opens the outermost scope where there is only one, so a graph begins with its layers. */
export function initiallyOpen(graph: GraphData): Set<string> {
  const top = graph.nodes.filter((node) => !node.parent && scopeIds(graph).has(node.id) && node.id !== 'loss')
  return new Set(top.length === 1 ? [top[0]!.id] : [])
}

export function visibleGraph(graph: GraphData, open: ReadonlySet<string>): VisibleGraph {
  const byId = new Map(graph.nodes.map((node) => [node.id, node]))
  const standIn = (id: string): string => {
    let seen = id
    for (let node = byId.get(id); node?.parent; node = byId.get(node.parent)) {
      if (!open.has(node.parent)) seen = node.parent
    }
    return seen
  }
  const nodes = graph.nodes.filter((node) => standIn(node.id) === node.id)
  return { nodes, edges: joinEdges(graph, standIn) }
}

/** One edge for all edges between two visible nodes, with the shapes that flow along it. */
function joinEdges(graph: GraphData, standIn: (id: string) => string): VisibleEdge[] {
  const joined = new Map<string, VisibleEdge>()
  for (const edge of graph.edges) {
    const [source, target] = [standIn(edge.source), standIn(edge.target)]
    if (source === target) continue
    const key = `${source}\n${target}`
    const known = joined.get(key) ?? { source, target, shapes: [] }
    if (edge.shape && !known.shapes.includes(edge.shape)) known.shapes.push(edge.shape)
    joined.set(key, known)
  }
  return [...joined.values()]
}
