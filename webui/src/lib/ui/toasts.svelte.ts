/** Short messages at the foot of the page. An error stays until somebody closes it. */
import { messageOf } from '$lib/api/client'

export interface Toast {
  id: number
  text: string
  tone: 'good' | 'bad'
  /** A button that the message offers. */
  action?: ToastAction
}
export interface ToastAction {
  label: string
  run: () => void
}

const SHOWN_MS = 4000
/** Long enough to read the message, to decide and to reach its button by keyboard. */
const WITH_ACTION_MS = 20_000

class Toasts {
  list: Toast[] = $state([])
  /** Open dialogs. The newest shows the messages itself: nothing outside a modal dialog can be clicked or heard. */
  dialogs: symbol[] = $state([])
  private last = 0

  show(text: string, action?: ToastAction): void {
    const id = this.add(text, 'good', action)
    setTimeout(() => this.close(id), action ? WITH_ACTION_MS : SHOWN_MS)
  }

  showError(error: unknown): void {
    const text = messageOf(error)
    if (!this.list.some((toast) => toast.text === text)) this.add(text, 'bad')
  }

  /** Shows the messages in a dialog until the returned function is called. */
  enterDialog(dialog: symbol): () => void {
    this.dialogs.push(dialog)
    return () => (this.dialogs = this.dialogs.filter((open) => open !== dialog))
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id)
  }

  private add(text: string, tone: Toast['tone'], action?: ToastAction): number {
    this.list.push({ id: ++this.last, text, tone, action })
    return this.last
  }
}

export const toasts = new Toasts()

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    toasts.show(`Copied ${what}.`)
  } catch {
    toasts.showError(new Error('This browser does not let the page copy. Select the text and press Ctrl+C.'))
  }
}
