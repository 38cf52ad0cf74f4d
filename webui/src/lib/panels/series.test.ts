import { expect, test } from 'vitest'
import { bestPlaceBeside, sortPanels, panelLabels, placeAt, placeLabel, readCell } from './series'
import type { PanelSeries } from '$lib/api/types'

const place = (step: number, ghost = false) => ({ segment: 0, step, snapshot: null, ghost })
const SERIES: PanelSeries = { name: 'outputs', kind: 'histograms', places: [place(100), place(200, true), place(200), place(300)] }

test('panels of outputs come before the graph', () => {
  const list = ['graph', 'confusion', 'boundary'].map((kind) => ({ name: kind, kind, places: [] }))
  expect(sortPanels(list).map((one) => one.kind)).toEqual(['boundary', 'confusion', 'graph'])
})

test('a step on the current path comes before one on an abandoned branch', () => {
  expect(placeAt(SERIES, 200)).toBe(2)
  expect(placeAt(SERIES, null)).toBe(3)
  expect(placeAt(SERIES, 999)).toBe(3)
  expect(placeAt({ ...SERIES, places: [place(100), place(200, true)] }, 200)).toBe(1)
})

test('the best is shown beside another validation, never beside itself', () => {
  expect(bestPlaceBeside(SERIES, 3, 100)).toBe(0)
  expect(bestPlaceBeside(SERIES, 0, 100)).toBeNull()
  expect(bestPlaceBeside(SERIES, 3, null)).toBeNull()
})

test('weights are called by their layer, and no two panels alike', () => {
  const names = ['weights/hvass_cnn/layer_conv2/kernel/1', 'weights/hvass_cnn/layer_conv2/kernel', 'weights/kernel', 'confusion', 'weights/a/dense/kernel', 'weights/b/dense/kernel']
  expect([...panelLabels(names).values()]).toEqual([
    'layer_conv2/kernel/1', 'layer_conv2/kernel', 'weights/kernel', 'confusion', 'weights/a/dense/kernel', 'weights/b/dense/kernel',
  ])
})

test('a place is named by its step', () => {
  expect(placeLabel(place(1200), 1200)).toBe('step 1,200 (best)')
  expect(placeLabel(place(5, true), 5)).toBe('step 5 (abandoned)')
})

test.each([['["3","8"]', ['3', '8']], ['', null], ['[1,2]', null], ['["a"]', null], ['{}', null]])('the cell of %s', (text, cell) => {
  expect(readCell(text)).toEqual(cell)
})
