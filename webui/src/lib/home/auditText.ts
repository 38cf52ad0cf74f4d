/** An entry of the audit log as a sentence: who did what to what. Pure. */
import type { AuditEntry } from '$lib/api/types'

const VERBS = new Map([
  ['create', 'made'], ['change', 'changed'], ['delete', 'deleted'], ['undelete', 'brought back'], ['disable', 'disabled'], ['revoke', 'revoked'],
  ['cancel', 'cancelled'], ['move', 'moved'], ['promote', 'promoted'], ['upload', 'uploaded'], ['submit', 'submitted'], ['pin', 'pinned'], ['collect', 'collected'], ['fork', 'forked'], ['open', 'opened'], ['resume', 'resumed'], ['set', 'set'],
])

const SENTENCES = new Map([
  ['user.sign_in', 'signed in'], ['worker.hello', 'started the worker'], ['project.rules', 'changed the rules of the project'],
  ['alias.set', 'gave an alias in the project'], ['alias.remove', 'removed an alias of the project'],
  ['lease.grant', 'took the run to train it'], ['lease.expired', 'lost the run: the worker was silent'], ['lease.handed_back', 'gave the run back to the queue'],
])

/** "run.delete" -> "deleted the run"; an action that the page does not know keeps its name. */
export function actionText(action: string): string {
  const sentence = SENTENCES.get(action)
  if (sentence) return sentence
  const [noun = '', verb = ''] = action.split('.')
  if (noun === 'lease') return `gave the ${verb} run back`
  if (noun === 'command') return `asked the run to ${verb.replaceAll('_', ' ')}`
  const known = VERBS.get(verb)
  return known ? `${known} the ${noun.replaceAll('_', ' ')}` : action
}

/** The details of an entry: "name laptop, role member". */
export function detailText(entry: Pick<AuditEntry, 'detail'>): string {
  const { detail } = entry
  if (detail === null || detail === undefined) return ''
  if (typeof detail !== 'object' || Array.isArray(detail)) return String(detail)
  return Object.entries(detail as Record<string, unknown>).map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ')
}
