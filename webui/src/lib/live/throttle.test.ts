import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Throttle } from './throttle'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('works at once, then at most once an interval, and keeps the last call', async () => {
  const work = vi.fn()
  const throttle = new Throttle(1000, work)
  for (let i = 0; i < 50; i++) throttle.call()
  expect(work).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1000)
  expect(work).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(5000)
  expect(work).toHaveBeenCalledTimes(2)
})

it('never runs two calls at a time', async () => {
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 3000))
    inside -= 1
  }
  const throttle = new Throttle(100, work)
  for (let i = 0; i < 20; i++) {
    throttle.call()
    await vi.advanceTimersByTimeAsync(500)
  }
  expect(most).toBe(1)
})

it('does nothing after it was stopped', async () => {
  const work = vi.fn()
  const throttle = new Throttle(10, work)
  throttle.call()
  throttle.call()
  throttle.stop()
  await vi.advanceTimersByTimeAsync(100)
  throttle.call()
  expect(work).toHaveBeenCalledTimes(1)
})
