/** Suggestions for the filter box: names, operators, values and words that fit at the cursor. */
import type { ProjectFields } from '$lib/api/types'
import { literal, quoted } from './filterText'

export interface Suggestion {
  text: string
  /** What it is, beside it. */
  kind: string
}
export interface Completion {
  /** The part of the text that a suggestion replaces. */
  from: number
  to: number
  suggestions: Suggestion[]
}

const NAMES = ['name', 'notes', 'id', 'number', 'recipe', 'state', 'reason', 'worker', 'user', 'commit', 'variant', 'sweep', 'forked_from', 'created', 'started', 'ended', 'updated', 'duration', 'step', 'best', 'last', 'priority']
const CHOICES = new Map([
  ['state', ['queued', 'leased', 'running', 'paused', 'finished', 'failed', 'cancelled']],
  ['reason', ['patience', 'max_steps', 'max_seconds', 'non_finite', 'peers', 'user', 'error', 'worker_lost']],
  ['created', ['1 hour ago', '1 day ago', '7 days ago', 'yesterday']],
])
const OPERATORS = ['=', '!=', '<', '<=', '>', '>=', '~', '!~', 'in']
const SIGNS = [...OPERATORS, '==', '<>']
const WORDS = ['and', 'or', 'not']
const MOST = 12

/** A word with its parts in quotes, a text, an operator, or a bracket, as the tracker's lexer cuts them; a quote may be open. */
const TOKEN = /(?:`(?:[^`\\]|\\.)*`?|(?<=\.)"(?:[^"\\]|\\.)*"?|(?<=\w)'|!(?![=~])|[^\s(),=<>~!"'`])+|"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|==|!=|<>|<=|>=|!~|[=<>~(),]/g

export function complete(text: string, cursor: number, fields: ProjectFields | null): Completion {
  const tokens = [...text.matchAll(TOKEN)].map((match) => ({ text: match[0], start: match.index, end: match.index + match[0].length }))
  const at = tokens.find(({ text: token, start, end }) => start < cursor && cursor <= end && !SIGNS.includes(token) && !/^[(),]$/.test(token))
  const before = tokens.filter(({ end }) => end <= (at?.start ?? cursor)).map((token) => token.text)
  const start = at ? at.start + dashOf(at.text, before) : cursor
  const typed = text.slice(start, cursor)
  const fitting = candidates(before, fields).filter(({ text: name }) => matches(name, typed))
  return { from: start, to: at?.end ?? cursor, suggestions: rank(fitting, typed).slice(0, MOST) }
}

/** The letters before the word itself: a dash in front of a name means "not", and stays; a dash in front of a value belongs to it. */
function dashOf(word: string, before: readonly string[]): number {
  const isValue = nameOfList(before) !== undefined || (before.length > 0 && isOperator(before.at(-1)!))
  return Number(!isValue && word.startsWith('-'))
}

function withoutDash(name: string): string {
  return name.replace(/^-/, '')
}

/** Puts a suggestion in the text; returns the text and where the cursor stands. */
export function accept(text: string, { from, to }: Completion, suggestion: Suggestion): { text: string; cursor: number } {
  const after = text.slice(to).replace(/^ /, '')
  const begin = `${text.slice(0, from)}${suggestion.text} `
  return { text: begin + after, cursor: begin.length }
}

function candidates(before: readonly string[], fields: ProjectFields | null): Suggestion[] {
  const last = before.at(-1)
  const listed = nameOfList(before)
  if (listed !== undefined) return valuesOf(withoutDash(listed), fields)
  if (last !== undefined && isOperator(last) && last !== 'in') return valuesOf(withoutDash(before.at(-2) ?? ''), fields)
  if (last === undefined || last === '(' || WORDS.includes(last.toLowerCase())) return namesOf(fields)
  if (isName(withoutDash(last), fields) && !isOperator(before.at(-2) ?? '')) return OPERATORS.map((text) => ({ text, kind: 'operator' }))
  return [...WORDS.slice(0, 2).map((text) => ({ text, kind: 'word' })), ...namesOf(fields)]
}

/** The name before an `in` whose list is open. */
function nameOfList(before: readonly string[]): string | undefined {
  const open = before.lastIndexOf('(')
  if (open < 2 || before[open - 1]!.toLowerCase() !== 'in' || before.lastIndexOf(')') > open) return undefined
  return before[open - 2]!.toLowerCase() === 'not' ? before[open - 3] : before[open - 2]
}

function namesOf(fields: ProjectFields | null): Suggestion[] {
  const parameters = (fields?.parameters ?? []).map(({ key }) => ({ text: `params.${quoted(key)}`, kind: 'parameter' }))
  const metrics = (fields?.metrics ?? []).map(({ key }) => ({ text: `metrics.${quoted(key)}`, kind: 'metric' }))
  return [...metrics, ...parameters, { text: 'tag', kind: 'tag' }, ...NAMES.map((text) => ({ text, kind: 'column' }))]
}

function valuesOf(name: string, fields: ProjectFields | null): Suggestion[] {
  const ofList = (list: readonly unknown[] | undefined) => (list ?? []).map((value) => ({ text: literal(value), kind: 'value' }))
  const choices = CHOICES.get(name)
  if (choices) return choices.map((text) => ({ text, kind: 'value' }))
  if (name === 'tag') return ofList(fields?.tags)
  if (name === 'recipe') return ofList(fields?.recipes)
  if (name === 'worker') return ofList(fields?.workers)
  if (name === 'user') return ofList(fields?.users)
  const parameter = fields?.parameters?.find(({ key }) => name === `params.${quoted(key)}` || name === quoted(key))
  return ofList(parameter?.values)
}

function isName(text: string, fields: ProjectFields | null): boolean {
  return namesOf(fields).some((name) => name.text === text) || /^(params|metrics|tags)\./.test(text)
}

function isOperator(text: string): boolean {
  return SIGNS.includes(text)
}

/** A name fits where what was typed is in it; `lr` finds `params.lr`. */
function matches(name: string, typed: string): boolean {
  return name !== typed && withoutQuotes(name).includes(withoutQuotes(typed))
}

function withoutQuotes(text: string): string {
  return text.replaceAll(/[`"'\\]/g, '').toLowerCase()
}

function rank(list: Suggestion[], typed: string): Suggestion[] {
  const begins = ({ text }: Suggestion) => Number(!(text.startsWith(typed) || text.split('.').slice(1).join('.').startsWith(typed)))
  return typed ? list.toSorted((a, b) => begins(a) - begins(b)) : list
}
