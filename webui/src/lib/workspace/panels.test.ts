import { describe, expect, it } from 'vitest'
import type { Run } from '$lib/api/types'
import { chartAsSvg } from '$lib/curves/chartExport'
import { overlayDrawing } from './overlayDrawing'
import { movePanel, rangeOf, panelSections, withRange } from './panels'

const keys = ['val_loss', 'loss', 'layer/norm', 'layer/grad', 'lr']
const plain = { find: '', order: [], hidden: [], top: [] }
const names = (sections: ReturnType<typeof panelSections>) => sections.map(({ name, panels }) => [name, panels.map((panel) => panel.name)])

describe('panels', () => {
  it('share training and validation, in sections by prefix', () => {
    expect(names(panelSections(keys, 'val_loss', plain))).toEqual([['Metrics', ['loss', 'lr']], ['layer', ['layer/grad', 'layer/norm']]])
  })
  it('are found by words and by a regular expression', () => {
    expect(names(panelSections(keys, '', { ...plain, find: 'layer norm' }))).toEqual([['layer', ['layer/norm']]])
    expect(names(panelSections(keys, '', { ...plain, find: '^l(r|oss)$' }))).toEqual([['Metrics', ['loss', 'lr']]])
    expect(panelSections(keys, '', { ...plain, find: '(((' })).toEqual([])
  })
  it('are pinned, hidden and moved', () => {
    const sections = panelSections(keys, '', { ...plain, top: ['layer/norm'], hidden: ['loss'] })
    expect(names(sections)).toEqual([['Pinned', ['layer/norm']], ['Metrics', ['lr']], ['layer', ['layer/grad']]])
    const order = movePanel(panelSections(keys, '', plain), 'lr', -1)
    expect(names(panelSections(keys, '', { ...plain, order }))[0]).toEqual(['Metrics', ['lr', 'loss']])
  })
  it('keep the range of y', () => {
    const ranges = withRange(['other:0,1'], 'a:b', [0.5, 2])
    expect(rangeOf(ranges, 'a:b')).toEqual([0.5, 2])
    expect(rangeOf(withRange(ranges, 'a:b', null), 'a:b')).toBeNull()
  })
})

describe('the drawing of a panel', () => {
  const run = (id: string, number: number) => ({ id, number, state: 'finished', best_step: 10, best_value: 1, tags: [], spec: { monitor: 'loss', parameters: {}, source: { kind: 'recipe', name: 'x' } } }) as unknown as Run
  const curve = (id: string, values: number[]) => ({ run: id, key: 'loss', total: 2, steps: [0, 10], x: [0, 10], values, ghosts: [] })
  const inputs = { runs: [run('a', 1), run('b', 2)], keys: ['loss'], curves: [curve('a', [2, 1]), curve('b', [4, 3])], axis: 'step', weight: 0, log: false, band: '', by: '', ghostsOf: [], dark: false, colors: {} as never }

  it('has a line for each run, with its best and its stop', () => {
    const drawing = overlayDrawing(inputs)
    expect(drawing.columns).toEqual([[2, 1], [4, 3]])
    expect(drawing.overlay.marks?.map(({ kind }) => kind)).toEqual(['best', 'stop', 'best', 'stop'])
    expect(new Set(drawing.lines.map(({ color }) => color)).size).toBe(2)
  })
  it('draws raw values faintly behind smoothed ones', () => {
    const { lines } = overlayDrawing({ ...inputs, weight: 0.5 })
    expect(lines.map(({ alpha }) => alpha)).toEqual([0.22, 0.22, 1, 1])
  })
  it('has a mean and a band for a group', () => {
    const drawing = overlayDrawing({ ...inputs, band: 'range' })
    expect(drawing.bands).toHaveLength(1)
    expect(drawing.columns).toEqual([[4, 3], [2, 1], [3, 2]])
  })
  it('leaves out what a logarithmic axis cannot show', () => {
    expect(overlayDrawing({ ...inputs, curves: [curve('a', [-1, 1])], log: true }).columns).toEqual([[null, 1]])
  })
  it('becomes an SVG in which names are text', () => {
    const svg = chartAsSvg('<loss>', overlayDrawing(inputs), [{ name: '"><script>', color: '#000' }], false)
    expect(svg).toContain('&lt;loss&gt;')
    expect(svg).not.toContain('<script>')
    expect(svg.match(/<path/g)).toHaveLength(2)
  })
  it('has its bands in the SVG too', () => {
    const svg = chartAsSvg('loss', overlayDrawing({ ...inputs, band: 'range' }), [], false)
    const band = /<path d="M([^"]+)Z" fill="(#[0-9a-f]{8})"\/>/.exec(svg)
    expect(band?.[1]!.split('L')).toHaveLength(4)
  })
  it('smooths in the order of the training, whatever the axis', () => {
    const back = { ...curve('a', [4, 2]), x: [20, 10] }
    const { columns } = overlayDrawing({ ...inputs, curves: [back], weight: 0.5, axis: 'metrics.lr' })
    expect(columns[1]!.map((value) => Number(value!.toFixed(3)))).toEqual([2.667, 4])
  })
})
