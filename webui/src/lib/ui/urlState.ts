/** A page's view in its address. The default of a field decides its type; the address leaves defaults out. */
export type View = Record<string, string | number | boolean | readonly string[]>

type Widened<T> = T extends string ? string : T extends number ? number : T extends boolean ? boolean : string[]
export type ViewOf<T extends View> = { [K in keyof T]: Widened<T[K]> }

export function readView<T extends View>(query: string, defaults: T): ViewOf<T> {
  const params = new URLSearchParams(query)
  const entries = Object.entries(defaults).map(([key, normal]) => {
    const text = params.get(key)
    return [key, text === null ? normal : parse(text, normal)]
  })
  return Object.fromEntries(entries) as ViewOf<T>
}

/** Returns the query with its '?', or an empty text where every field has its default. */
export function writeView<T extends View>(view: ViewOf<T>, defaults: T): string {
  const params = new URLSearchParams()
  for (const [key, normal] of Object.entries(defaults)) {
    const value = (view as View)[key]!
    if (String(value) !== String(normal)) params.set(key, format(value))
  }
  const query = params.toString()
  return query ? `?${query}` : ''
}

function parse(text: string, normal: View[string]): View[string] {
  if (typeof normal === 'boolean') return text === '1'
  if (typeof normal === 'number') return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : normal
  if (typeof normal === 'string') return text
  return text === '' ? [] : text.split(',').map(readPart)
}

function format(value: View[string]): string {
  if (typeof value === 'boolean') return value ? '1' : '0'
  return typeof value === 'object' ? value.map(encodeURIComponent).join(',') : String(value)
}

function readPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
