import { describe, expect, it } from 'vitest'
import { moveInQueue, type Queued } from './queueOrder'

const queue = (...priorities: number[]): Queued[] => priorities.map((priority, age) => ({ id: 'abcdef'[age]!, priority, age }))

function after(runs: readonly Queued[], id: string, to: number): string {
  const changes = new Map((moveInQueue(runs, id, to) ?? []).map((change) => [change.id, change.priority]))
  const changed = runs.map((run) => ({ ...run, priority: changes.get(run.id) ?? run.priority }))
  return changed.sort((a, b) => b.priority - a.priority || a.age - b.age).map((run) => run.id).join('')
}

describe('the order of the queue', () => {
  it.each([
    [queue(0, 0, 0), 'c', 0, 'cab'], [queue(0, 0, 0), 'c', 1, 'acb'], [queue(0, 0, 0), 'a', 2, 'bca'], [queue(0, 0, 0), 'a', 1, 'bac'],
    [queue(5, 3, 3), 'c', 0, 'cab'], [queue(5, 3, 1), 'a', 1, 'bac'], [queue(2, 1, 0), 'b', 0, 'bac'], [queue(0, 0, 0), 'b', 1, 'abc'],
    [queue(100, 100, 100), 'c', 0, 'cab'], [queue(-100, -100, -100), 'a', 2, 'bca'],
  ])('%j: %s to %i', (runs, id, to, order) => expect(after(runs, id, to)).toBe(order))
  it('changes one run where that is enough', () => expect(moveInQueue(queue(0, 0, 0), 'c', 0)).toEqual([{ id: 'c', priority: 1 }]))
  it('changes nothing for a run that has left the queue', () => expect(moveInQueue(queue(0), 'z', 0)).toEqual([]))
})
