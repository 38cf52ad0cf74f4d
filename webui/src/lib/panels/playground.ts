/** The controls of the playground: their choices, their names, and the request for a run. */
import type { RunRequest } from '$lib/api/types'

export const DATA = ['circle', 'xor', 'gauss', 'spiral', 'plane', 'hills']
export const FEATURES = ['x', 'y', 'x2', 'y2', 'xy', 'sinx', 'siny']
export const FEATURE_NAMES: Record<string, string> = { x: 'x₁', y: 'x₂', x2: 'x₁²', y2: 'x₂²', xy: 'x₁x₂', sinx: 'sin x₁', siny: 'sin x₂' }
export const RATES = [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]
export const MAX_LAYERS = 6
export const MAX_UNITS = 8

/** The address holds all of it. `hide` lists the controls that a lesson hides; `run` is the run on the page. */
export const DEFAULTS = {
  data: 'circle', features: ['x', 'y'] as readonly string[], hidden: ['4', '2'] as readonly string[], activation: 'tanh', noise: 0, rate: 0.03, batch: 10,
  regularization: 'none', strength: 0, seed: 0, steps: 5000, hide: [] as readonly string[], run: '', at: '',
}
export const CONTROLS = [
  { name: 'data', label: 'Data' }, { name: 'noise', label: 'Noise' }, { name: 'features', label: 'Features' }, { name: 'layers', label: 'Hidden layers' },
  { name: 'activation', label: 'Activation' }, { name: 'rate', label: 'Learning rate' }, { name: 'batch', label: 'Batch size' },
  { name: 'regularization', label: 'Regularization' }, { name: 'steps', label: 'Steps' }, { name: 'seed', label: 'Seed' },
]

export interface Setting {
  data: string
  features: string[]
  hidden: string[]
  activation: string
  noise: number
  rate: number
  batch: number
  regularization: string
  strength: number
  seed: number
  steps: number
}

/** The parts of the setting that make another network or other data: the run on the page is then no longer theirs. */
export function isOtherNetwork(before: Setting, after: Setting): boolean {
  return JSON.stringify(requestOf(before)) !== JSON.stringify(requestOf(after))
}

/** The units of each layer; a wrong number in the address is left out, and so are layers beyond the limit. */
export function unitsOf(hidden: readonly string[]): number[] {
  return hidden.map(Number).filter((units) => Number.isInteger(units) && units >= 1 && units <= MAX_UNITS).slice(0, MAX_LAYERS)
}

export function requestOf(setting: Setting): Partial<RunRequest> & Pick<RunRequest, 'source'> {
  return {
    project: 'playground',
    source: { kind: 'recipe', name: 'playground' },
    data: setting.data,
    seed: setting.seed,
    max_steps: setting.steps,
    parameters: {
      features: setting.features.join(','), hidden: unitsOf(setting.hidden).join(','), activation: setting.activation, noise: setting.noise,
      learning_rate: setting.rate, batch_size: setting.batch, regularization: setting.regularization, regularization_rate: setting.strength,
      data_seed: setting.seed,
    },
  }
}
