import { expect, it } from 'vitest'
import { csv } from './csv'

it('quotes cells with separators and keeps numbers exact', () => {
  expect(csv(['a', 'b'], [[0.1 + 0.2, 'x,"y"'], [null, 'two\nlines']])).toBe(
    'a,b\r\n0.30000000000000004,"x,""y"""\r\n,"two\nlines"\r\n',
  )
})

it('disarms formulas in names and keeps negative numbers', () => {
  expect(csv(['=cmd()'], [['@x'], [-1.5]])).toBe("'=cmd()\r\n'@x\r\n-1.5\r\n")
})
