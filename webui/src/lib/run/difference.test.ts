import { expect, it } from 'vitest'
import { differenceTo } from './difference'

it.each([
  [3, 1, 'max', '▲ +2', 'better'], [3, 1, 'min', '▲ +2', 'worse'], [0.1, 0.4, null, '▼ −0.3', 'none'], [1, 1, 'max', '= 0', 'none'],
  [0.5, 0.4, 'auto', '▲ +0.1', 'none'],
] as const)('%d against %d where %s is better', (value, base, mode, text, tone) => expect(differenceTo(value, base, mode)).toEqual({ text, tone }))

it('has nothing to say of what is no number', () => expect([differenceTo(1, NaN, 'max'), differenceTo(null, 1, 'max')]).toEqual([null, null]))
