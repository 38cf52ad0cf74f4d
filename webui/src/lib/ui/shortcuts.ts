/** Keyboard shortcuts: single keys ("j", "/", "?") and two in a row ("g p"). */
export interface Shortcut {
  keys: string
  label: string
  run: () => void
}

const SEQUENCE_MS = 1200

/** Runs the shortcut that key presses spell. Keys that somebody types into a field, or with Ctrl, Alt or Meta, stay with the browser. */
export class Keyboard {
  private groups = new Map<string, Shortcut[]>()
  private pending: { key: string; at: number } | null = null

  /** Adds shortcuts under a heading of the help; returns the function that removes them. */
  add(heading: string, shortcuts: Shortcut[]): () => void {
    this.groups.set(heading, shortcuts)
    return () => {
      if (this.groups.get(heading) === shortcuts) this.groups.delete(heading)
    }
  }

  help(): { heading: string; shortcuts: Shortcut[] }[] {
    return [...this.groups].map(([heading, shortcuts]) => ({ heading, shortcuts }))
  }

  press(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
    const shortcut = this.find(this.spell(event))
    if (!shortcut) return
    event.preventDefault()
    this.pending = null
    shortcut.run()
  }

  private spell(event: KeyboardEvent): string {
    const before = this.pending
    this.pending = { key: event.key, at: event.timeStamp }
    const follows = before !== null && event.timeStamp - before.at < SEQUENCE_MS
    const both = follows ? `${before.key} ${event.key}` : ''
    return both && this.find(both) ? both : event.key
  }

  private find(keys: string): Shortcut | undefined {
    // The newest group wins: a key of a page hides the same key of the application.
    return [...this.groups.values()].reverse().flat().find((shortcut) => shortcut.keys === keys)
  }
}

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null
  if (!element?.tagName) return false
  if (element.isContentEditable || element.closest('dialog[open]')) return true
  if (element.tagName === 'INPUT') return !['checkbox', 'radio', 'range'].includes((element as HTMLInputElement).type)
  return element.tagName === 'TEXTAREA' || element.tagName === 'SELECT'
}
