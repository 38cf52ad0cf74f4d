/** Names and values as the filter language reads them: in quotes where their letters would be read as something else. */

/** A name ends in the part of a metric that is meant; a metric of such a name stands in backquotes. */
const PARTS = ['best', 'last', 'min', 'max', 'step']
const RESERVED = ['and', 'or', 'not', 'in', 'true', 'false', 'none', 'null']

export function quoted(name: string): string {
  const isPlain = /^[A-Za-z_][\w/-]*$/.test(name) && !PARTS.includes(name) && !RESERVED.includes(name.toLowerCase())
  return isPlain ? name : `\`${name.replaceAll(/[\\`]/g, '\\$&')}\``
}

/** The name that was quoted. */
export function unquoted(text: string): string {
  return text.startsWith('`') ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text
}

export function literal(value: unknown): string {
  if (value === null || value === undefined) return 'none'
  if (typeof value !== 'string') return JSON.stringify(value)
  const isPlain = /^[A-Za-z_][\w./-]*$/.test(value) && !RESERVED.includes(value.toLowerCase())
  return isPlain ? value : `"${value.replaceAll(/[\\"]/g, '\\$&')}"`
}
