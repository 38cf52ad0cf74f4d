/** The order of the queue, which priorities make: a higher one first, and of equal ones the older run. Pure. */
export interface Queued {
  id: string
  priority: number
  /** When it was submitted; of equal priorities the smaller one is first. */
  age: number
}
export interface PriorityChange {
  id: string
  priority: number
}

const LIMIT = 100

/** The changes of priority that bring the run to place `to`, as few as the order allows; null where no priority is left. */
export function moveInQueue(queue: readonly Queued[], id: string, to: number): PriorityChange[] | null {
  const moved = queue.find((run) => run.id === id)
  if (!moved) return []
  const others = queue.filter((run) => run.id !== id)
  const at = Math.min(Math.max(0, to), others.length)
  const order = [...others.slice(0, at), moved, ...others.slice(at)]
  const [least, most] = [leastBefore(moved, others[at]), mostBehind(moved, others[at - 1])]
  if (least <= most) return within([{ ...moved, priority: Math.min(most, Math.max(least, moved.priority)) }], queue)
  const before = raise(order.slice(0, at), { ...moved, priority: least })
  return within(before, queue) ?? within(lower(order.slice(at + 1), { ...moved, priority: most }), queue)
}

/** The run, and those before it, raised where they must be. */
function raise(before: readonly Queued[], moved: Queued): Queued[] {
  return before.reduceRight<Queued[]>((done, run) => [...done, { ...run, priority: Math.max(run.priority, leastBefore(run, done.at(-1))) }], [moved])
}

/** The run, and those behind it, lowered where they must be. */
function lower(behind: readonly Queued[], moved: Queued): Queued[] {
  return behind.reduce<Queued[]>((done, run) => [...done, { ...run, priority: Math.min(run.priority, mostBehind(run, done.at(-1))) }], [moved])
}

function leastBefore(run: Queued, next: Queued | undefined): number {
  return next ? next.priority + Number(run.age > next.age) : -LIMIT
}

function mostBehind(run: Queued, previous: Queued | undefined): number {
  return previous ? previous.priority - Number(previous.age > run.age) : LIMIT
}

/** What differs from the queue; null where a priority is beyond its limits. */
function within(runs: readonly Queued[], queue: readonly Queued[]): PriorityChange[] | null {
  if (runs.some((run) => Math.abs(run.priority) > LIMIT)) return null
  const known = new Map(queue.map((run) => [run.id, run.priority]))
  return runs.filter((run) => run.priority !== known.get(run.id)).map(({ id, priority }) => ({ id, priority }))
}
