/** Stopping policies: their parts, and their text as the command line writes it. Pure. */
export interface Policy {
  name: string
  params?: Record<string, unknown>
  policies?: Policy[]
}

export function minDelta(policy: Policy): number {
  const inner = findPolicy(policy, 'patience')
  const delta = Number(inner?.params?.min_delta ?? 0)
  return Number.isFinite(delta) ? delta : 0
}

/** The patience that a policy was given. While some is left it is what passed plus what is left; at the end the policy says it,
 * for a validation may come late: a run with a patience of 1000 steps may stop after 1100. */
export function patienceTotal(wait: number, left: number, unit: string | null | undefined, stopper?: Policy): number {
  if (left > 0 || !stopper) return wait + left
  const limits = policiesOf(stopper).map((policy) => Number(policy.params?.[unit ?? 'checks'] ?? NaN))
  return Math.max(...limits.filter((limit) => limit > 0 && limit <= wait), 0) || wait
}

/** Limits on the length of a run are counted in steps too, and are no patience. */
const LIMITS = new Set(['max_steps', 'shadow'])

function policiesOf(policy: Policy): Policy[] {
  return LIMITS.has(policy.name) ? [] : [policy, ...(policy.policies ?? []).flatMap(policiesOf)]
}

export function findPolicy(root: Policy, name: string): Policy | undefined {
  if (root.name === name) return root
  for (const inner of root.policies ?? []) {
    const policy = findPolicy(inner, name)
    if (policy) return policy
  }
  return undefined
}

const SIGNS = new Map([['any_of', ' | '], ['all_of', ' & ']])

/** `patience(checks=10, min_delta=0.001) | max_seconds(3600)`: the policy as the command line writes it. */
export function formatPolicy(policy: Policy): string {
  const inner = policy.policies ?? []
  const sign = SIGNS.get(policy.name)
  if (sign) return inner.map((part) => partText(part, policy)).join(sign)
  const params = Object.entries(policy.params ?? {}).filter(([, value]) => value !== null)
  return `${policy.name}(${[...params.map(paramText), ...inner.map(formatPolicy)].join(', ')})`
}

/** A text stands in quotes and without its name. */
function paramText([name, value]: [string, unknown]): string {
  if (typeof value !== 'string') return `${name}=${String(value)}`
  return value.includes('"') ? `'${value}'` : `"${value}"`
}

/** `|` binds looser than `&`: any_of inside all_of needs parentheses. */
function partText(part: Policy, whole: Policy): string {
  const isLooser = part.name === 'any_of' && whole.name === 'all_of' && (part.policies ?? []).length > 1
  return isLooser ? `(${formatPolicy(part)})` : formatPolicy(part)
}
