import { describe, expect, it } from 'vitest'
import { groupMetrics, parseMetric, sectionGroups, metricsInSight } from './metricGroups'

describe('parseMetric', () => {
  it.each([
    ['loss', 'loss', '', ''],
    ['val_loss', 'loss', 'validation', ''],
    ['train/loss', 'loss', 'train', ''],
    ['eval/loss', 'loss', 'validation', ''],
    ['test_accuracy', 'accuracy', 'test', ''],
    ['batch/loss', 'loss', '', 'batch'],
    ['value', 'value', '', ''],
    ['val_', 'val_', '', ''],
    ['/odd', '/odd', '', ''],
    ['constructor_x', 'constructor_x', '', ''],
    ['toString/x', 'x', '', 'toString'],
  ])('%s -> %s (%s) in %s', (key, base, split, group) => {
    expect(parseMetric(key)).toEqual({ base, split, group })
  })
})

describe('groupMetrics', () => {
  it('puts the monitored panel first and training before validation', () => {
    const panels = groupMetrics(['val_loss', 'val_accuracy', 'loss', 'accuracy', 'gpu/memory'], 'val_loss')
    expect(panels.map((panel) => panel.keys)).toEqual([
      ['loss', 'val_loss'],
      ['accuracy', 'val_accuracy'],
      ['gpu/memory'],
    ])
  })

  it('puts the machine last, what belongs together in one chart', () => {
    const system = ['cpu_percent', 'disk_read_mb_per_second', 'disk_write_mb_per_second', 'gpu0_percent', 'gpu11_percent', 'process_cpu_percent']
    const panels = groupMetrics([...system.map((key) => `system/${key}`), 'zeta/x', 'loss'], 'loss')
    expect(panels.map((panel) => [panel.name, panel.keys.length])).toEqual([
      ['loss', 1], ['zeta/x', 1], ['system/cpu_percent', 2], ['system/disk_mb_per_second', 2], ['system/gpu_percent', 2],
    ])
  })

  it('keeps every key of any name', () => {
    const keys = ['__proto__', 'constructor', 'val_val_x', '<b>', 'a/b/c', 'train/']
    expect(groupMetrics(keys, 'loss').flatMap((panel) => panel.keys).sort()).toEqual([...keys].sort())
  })
})

describe('sectionGroups', () => {
  const groups = groupMetrics(['layer0/norm', 'loss', 'val_loss', 'layer0/mean', 'layer1/norm'], 'layer1/norm')
  const shown = (words: string) => sectionGroups(groups, words).map(({ prefix, groups: list }) => [prefix, list.map(({ name }) => name)])

  it.each([
    ['', [['', ['loss']], ['layer1', ['layer1/norm']], ['layer0', ['layer0/mean', 'layer0/norm']]]],
    ['NORM layer0', [['layer0', ['layer0/norm']]]],
    ['val', [['', ['loss']]]],
    ['nothing', []],
  ])('%j', (words, sections) => expect(shown(words)).toEqual(sections))
})

it('knows the metrics that a window shows first', () => {
  const groups = groupMetrics(['loss', 'val_loss', 'acc', 'lr', 'system/cpu', 'm/a', 'm/b', 'm/c'], 'val_loss')
  expect(metricsInSight(groups, ['system', 'm'], { width: 400, height: 200 })).toEqual(['loss', 'val_loss'])
  expect(metricsInSight(groups, ['system'], { width: 1000, height: 600 })).toEqual(['loss', 'val_loss', 'acc', 'lr', 'm/a'])
})
