// @vitest-environment jsdom
import { describe, expect, it, vi } from 'vitest'
import { Keyboard } from './shortcuts'

function press(keyboard: Keyboard, key: string, init: Partial<KeyboardEventInit> & { target?: EventTarget } = {}) {
  const event = new KeyboardEvent('keydown', { key, cancelable: true, ...init })
  if (init.target) Object.defineProperty(event, 'target', { value: init.target })
  keyboard.press(event)
  return event
}

describe('Keyboard', () => {
  it('runs single keys and sequences', () => {
    const keyboard = new Keyboard()
    const [go, down] = [vi.fn(), vi.fn()]
    keyboard.add('x', [{ keys: 'g p', label: '', run: go }, { keys: 'p', label: '', run: down }])
    press(keyboard, 'g')
    press(keyboard, 'p')
    expect(go).toHaveBeenCalledOnce()
    press(keyboard, 'p')
    expect(down).toHaveBeenCalledOnce()
  })

  it('leaves fields and browser shortcuts alone', () => {
    const keyboard = new Keyboard()
    const run = vi.fn()
    keyboard.add('x', [{ keys: 'j', label: '', run }])
    press(keyboard, 'j', { ctrlKey: true })
    press(keyboard, 'j', { target: document.createElement('input') })
    expect(run).not.toHaveBeenCalled()
    expect(press(keyboard, 'j').defaultPrevented).toBe(true)
  })

  it('takes shortcuts away again, and lets a page hide one of the application', () => {
    const keyboard = new Keyboard()
    const [app, page] = [vi.fn(), vi.fn()]
    keyboard.add('app', [{ keys: 'c', label: '', run: app }])
    const remove = keyboard.add('page', [{ keys: 'c', label: '', run: page }])
    press(keyboard, 'c')
    remove()
    press(keyboard, 'c')
    expect([page.mock.calls.length, app.mock.calls.length]).toEqual([1, 1])
  })
})
