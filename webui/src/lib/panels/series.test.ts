import { expect, test } from 'vitest'
import { bestPlaceBeside, sortPanels, panelLabel, placeAt, placeLabel } from './series'
import type { PanelSeries } from '$lib/api/types'

const place = (step: number, ghost = false) => ({ segment: 0, step, snapshot: null, ghost })
const SERIES: PanelSeries = { name: 'outputs', kind: 'histograms', places: [place(100), place(200, true), place(200), place(300)] }

test('what the model does comes before what it is made of', () => {
  const list = ['graph', 'confusion', 'boundary'].map((kind) => ({ name: kind, kind, places: [] }))
  expect(sortPanels(list).map((one) => one.kind)).toEqual(['boundary', 'confusion', 'graph'])
})

test('a step on the current path comes before one on an abandoned branch', () => {
  expect(placeAt(SERIES, 200)).toBe(2)
  expect(placeAt(SERIES, null)).toBe(3)
  expect(placeAt(SERIES, 999)).toBe(3)
  expect(placeAt({ ...SERIES, places: [place(100), place(200, true)] }, 200)).toBe(1)
})

test('the best stands beside another validation, never beside itself', () => {
  expect(bestPlaceBeside(SERIES, 3, 100)).toBe(0)
  expect(bestPlaceBeside(SERIES, 0, 100)).toBeNull()
  expect(bestPlaceBeside(SERIES, 3, null)).toBeNull()
})

test('weights are called by their layer', () => {
  expect(panelLabel('weights/hvass_cnn/layer_conv2/kernel/1')).toBe('weights layer_conv2/kernel/1')
  expect(panelLabel('weights/kernel')).toBe('weights/kernel')
  expect(panelLabel('confusion')).toBe('confusion')
})

test('a place is named by its step', () => {
  expect(placeLabel(place(1200), 1200)).toBe('step 1,200 (best)')
  expect(placeLabel(place(5, true), 5)).toBe('step 5 (abandoned)')
})
