/** Reads an artifact that is a table, JSON or CSV. */
import { readCsv } from './csvTable'
import { shaped, type Table } from './cells'

/** Returns the table in a text, or null where there is none. Of CSV that is `cut` off, the last line is left out. */
export function readTable(text: string, mediaType: string, cut = false): Table | null {
  return mediaType === 'application/json' ? readJson(text) : readCsv(text, mediaType === 'text/tab-separated-values' ? '\t' : ',', cut)
}

function readJson(text: string): Table | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (Array.isArray(value) && value.every(isRecord)) return fromRecords(value)
  const { columns, data } = isRecord(value) ? value : {}
  if (!Array.isArray(columns) || !Array.isArray(data) || !data.every(Array.isArray)) return null
  return shaped(columns.map(String), data)
}

function fromRecords(records: Record<string, unknown>[]): Table {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))]
  return shaped(columns, records.map((record) => columns.map((name) => (Object.hasOwn(record, name) ? record[name] : null))))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
