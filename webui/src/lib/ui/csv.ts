/** CSV after RFC 4180. An apostrophe protects text that a spreadsheet would run as a formula; numbers stay as they are. */
export type Cell = string | number | null | undefined

export function csv(header: readonly string[], rows: Iterable<readonly Cell[]>): string {
  const lines = [header, ...rows].map((row) => row.map(cell).join(','))
  return lines.join('\r\n') + '\r\n'
}

function cell(value: Cell): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return String(value)
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export function download(name: string, text: string | Blob, type = 'text/csv'): void {
  const blob = typeof text === 'string' ? new Blob([text], { type: `${type};charset=utf-8` }) : text
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name.replaceAll(/[^\p{L}\p{M}\p{N}_.-]+/gu, '_')
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
