import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { api } from '$lib/api/client'
import type { Panel, PanelSeries } from '$lib/api/types'
import { connection } from '$lib/live/connection.svelte'
import { PanelReader } from './panelReader.svelte'

const places = [{ step: 10, segment: 1 }] as PanelSeries['places']
const lists = vi.spyOn(api, 'panels')
const pictures = vi.spyOn(api, 'panel')

beforeEach(() => {
  vi.useFakeTimers()
  lists.mockReset().mockImplementation(async (run) => [{ name: `of ${run}`, kind: 'image', places }] as unknown as PanelSeries[])
  pictures.mockReset().mockImplementation(async (_, name, step) => ({ name, step }) as Panel)
})
afterEach(() => void vi.useRealTimers())

it('waits for its turn to read the list of the same run again', async () => {
  const turn = vi.spyOn(connection, 'turn').mockResolvedValue()
  const reader = new PanelReader()
  reader.load('a')
  expect(lists).toHaveBeenCalledTimes(1)
  expect(turn).not.toHaveBeenCalled()
  for (let news = 0; news < 20; news++) reader.load('a')
  await vi.advanceTimersByTimeAsync(1000)
  expect(turn).toHaveBeenCalledTimes(1)
  expect(lists).toHaveBeenCalledTimes(2)
})

it('reads a panel once, however often it is to be shown', async () => {
  const reader = new PanelReader()
  await reader.show('a', 'boundary', places)
  await reader.show('a', 'boundary', places)
  expect(pictures).toHaveBeenCalledTimes(1)
  pictures.mockRejectedValueOnce(new Error('away'))
  await reader.show('a', 'weights', places)
  await reader.show('a', 'weights', places)
  expect(pictures).toHaveBeenCalledTimes(3)
})

it('drops the list of a run that is no longer shown', async () => {
  const reader = new PanelReader()
  reader.load('a')
  reader.load('b')
  await vi.advanceTimersByTimeAsync(0)
  expect(reader.list.map(({ name }) => name)).toEqual(['of b'])
})
