/** Short messages at the foot of the page; errors stay until they are closed. */
import { messageOf } from '$lib/api/client'

export interface Toast {
  id: number
  text: string
  tone: 'good' | 'bad'
  /** What can be done about it. */
  offer?: Offer
}
export interface Offer {
  label: string
  take: () => void
}

const SHOWN_MS = 4000
/** Long enough to read, to change one's mind and to come there by keyboard. */
const OFFERED_MS = 20_000

class Toasts {
  list: Toast[] = $state([])
  private last = 0

  say(text: string, offer?: Offer): void {
    const id = this.add(text, 'good', offer)
    setTimeout(() => this.close(id), offer ? OFFERED_MS : SHOWN_MS)
  }

  fail(error: unknown): void {
    const text = messageOf(error)
    if (!this.list.some((toast) => toast.text === text)) this.add(text, 'bad')
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id)
  }

  private add(text: string, tone: Toast['tone'], offer?: Offer): number {
    this.list.push({ id: ++this.last, text, tone, offer })
    return this.last
  }
}

export const toasts = new Toasts()

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    toasts.say(`Copied ${what}.`)
  } catch {
    toasts.fail(new Error('This browser does not let the page copy. Select the text and press Ctrl+C.'))
  }
}
