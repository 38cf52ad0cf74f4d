/** Light, dark, or the system's choice; this browser stores it. Colours follow by `color-scheme` and light-dark(). */
export type Choice = 'system' | 'light' | 'dark'
const KEY = 'keepbest.theme'
const CHOICES: Choice[] = ['system', 'light', 'dark']

class Theme {
  choice: Choice = $state(stored())
  private system = $state(matchMedia('(prefers-color-scheme: dark)').matches)
  dark = $derived(this.choice === 'system' ? this.system : this.choice === 'dark')

  constructor() {
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => (this.system = event.matches))
    this.apply()
  }

  set(choice: Choice): void {
    this.choice = choice
    localStorage.setItem(KEY, choice)
    this.apply()
  }

  next(): void {
    this.set(CHOICES[(CHOICES.indexOf(this.choice) + 1) % CHOICES.length]!)
  }

  private apply(): void {
    document.documentElement.dataset.theme = this.choice
  }
}

function stored(): Choice {
  const choice = localStorage.getItem(KEY) as Choice | null
  return choice && CHOICES.includes(choice) ? choice : 'system'
}

/** Returns the present colour of a custom property, for a canvas: a canvas cannot read light-dark(). */
export function cssColor(name: string): string {
  const probe = document.createElement('i')
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const color = getComputedStyle(probe).color
  probe.remove()
  return color
}

export const theme = new Theme()
