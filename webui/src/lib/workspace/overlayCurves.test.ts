import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { search, type CurvesQuery, type RunCurve } from '$lib/api/search'
import type { RunSummaries } from '$lib/api/types'
import { connection } from '$lib/live/connection.svelte'
import type { FeedEvent } from '$lib/live/feed'
import { OverlayCurves } from './overlayCurves.svelte'

const TOTAL = 5000
let send: (event: Partial<FeedEvent>) => void
const curves = vi.spyOn(search, 'curves')
const turn = vi.spyOn(connection, 'turn')

beforeEach(() => {
  vi.useFakeTimers()
  turn.mockReset().mockResolvedValue()
  curves.mockReset().mockImplementation(answer)
  vi.spyOn(connection, 'listen').mockImplementation(({ events }) => {
    send = (event) => events([{ kind: 'run.progress', project: 'p', data: {}, at: '', seq: 1, ...event }])
    return () => {}
  })
})
afterEach(() => void vi.useRealTimers())

/** Run `a` has long curves of loss and accuracy; the tracker knows no other run. */
async function answer({ runs, keys, range, summaries }: CurvesQuery) {
  const steps = range ?? [0, TOTAL - 1]
  const found = runs.includes('a') ? keys : []
  const read = found.map((key): RunCurve => ({ run: 'a', key, total: steps[1]! - steps[0]! + 1, steps: [...steps], x: [...steps], values: [1, 2], ghosts: [] }))
  const metrics = found.length > 0 && summaries ? [{ run: 'a', metrics: [{ key: 'loss' }, { key: 'acc' }] } as unknown as RunSummaries] : []
  return { curves: read, summaries: metrics, errors: [] }
}

async function shown(...runs: string[]): Promise<OverlayCurves> {
  const overlay = new OverlayCurves()
  overlay.show(runs, 'step')
  overlay.see('loss', ['loss'], null)
  overlay.see('acc', ['acc'], null)
  await vi.runAllTimersAsync()
  return overlay
}

it('asks for the curves of an unknown run once', async () => {
  const overlay = await shown('nobody')
  overlay.show(['nobody'], 'step')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(curves).toHaveBeenCalledTimes(1)
})

it('reads the zoomed part of all panels in sight with one request', async () => {
  const overlay = await shown('a')
  curves.mockClear()
  for (const key of ['loss', 'acc']) overlay.see(key, [key], [10.4, 20.6])
  await vi.runAllTimersAsync()
  expect(curves).toHaveBeenCalledTimes(1)
  expect(curves.mock.calls[0]![0]).toMatchObject({ keys: ['loss', 'acc'], range: [10, 21] })
  expect(overlay.drawn('a', 'loss', [10.4, 20.6])!.steps).toEqual([10, 21])
  expect(overlay.get('a', 'loss')!.steps).toEqual([0, TOTAL - 1])
})

it('keeps the zooms of two panels apart', async () => {
  const overlay = await shown('a')
  overlay.see('loss', ['loss'], [10, 20])
  overlay.see('acc', ['acc'], [30, 40])
  await vi.runAllTimersAsync()
  expect(overlay.drawn('a', 'loss', [10, 20])!.steps).toEqual([10, 20])
  expect(overlay.drawn('a', 'acc', [30, 40])!.steps).toEqual([30, 40])
  expect(overlay.drawn('a', 'acc', [10, 20])!.steps).toEqual([0, TOTAL - 1])
})

it('reads new points in turn, and those of a hidden run when its eye is on again', async () => {
  const overlay = await shown('a')
  curves.mockClear()
  send({ run: 'a' })
  await vi.advanceTimersByTimeAsync(100)
  expect(turn).toHaveBeenCalledTimes(1)
  expect(curves.mock.calls[0]![0].after).toEqual({ a: { loss: TOTAL - 1, acc: TOTAL - 1 } })

  overlay.show([], 'step')
  await vi.runAllTimersAsync()
  curves.mockClear()
  send({ run: 'a' })
  await vi.runAllTimersAsync()
  expect(curves).not.toHaveBeenCalled()
  overlay.show(['a'], 'step')
  await vi.runAllTimersAsync()
  expect(curves.mock.calls[0]![0].after).toEqual({ a: { loss: TOTAL - 1, acc: TOTAL - 1 } })
})

it('says that it cannot read, and reads again when asked to', async () => {
  curves.mockRejectedValueOnce(new Error('The tracker is away.'))
  const overlay = await shown('a')
  expect(overlay.error).toBe('The tracker is away.')
  overlay.retry()
  await vi.runAllTimersAsync()
  expect(overlay.error).toBeNull()
  expect(overlay.get('a', 'loss')).toBeDefined()
})
