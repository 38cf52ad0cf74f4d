import { describe, expect, it } from 'vitest'
import type { PanelSeries, Run } from '$lib/api/types'
import { commonPanels } from './commonPanels'

const place = (step: number, ghost = false) => ({ step, segment: 0, ghost })
const series = (name: string, kind: string, ...places: object[]) => ({ name, kind, places }) as unknown as PanelSeries
const runs = [{ best_step: 20 }, { best_step: 5 }] as unknown as Run[]

describe('panels of several runs', () => {
  it('are at the best of each run, else at its last', () => {
    const lists = [[series('confusion', 'confusion', place(10), place(20), place(30))], [series('confusion', 'confusion', place(10), place(20), place(30, true)), series('graph', 'graph', place(1))]]
    const [only, ...rest] = commonPanels(runs, lists)
    expect(rest).toEqual([])
    expect(only!.places.map((found) => found?.step)).toEqual([20, 20])
  })
})
