/** Brings a deleted run back, and says what is lost of it. */
import { api } from '$lib/api/client'
import { toasts } from '$lib/ui/toasts.svelte'

export async function undelete(id: string): Promise<boolean> {
  try {
    const { run, gone } = await api.undelete(id)
    const lost = gone.length > 0 ? ` ${gone.length} of its checkpoints were already deleted for good.` : ''
    toasts.show(`Restored run #${run.number}.${lost}`)
    return true
  } catch (error) {
    toasts.showError(error)
    return false
  }
}
