/** The rooms of `lib`: an import points down a floor, a name means one thing. */
import { describe, expect, it } from 'vitest'

/** From the ground up: a folder imports from those before it and from itself. */
const FLOORS = ['live', 'api', 'ui', 'run', 'artifacts', 'panels', 'curves', 'workspace', 'compare', 'home']
const FEWEST_FILES = 5
const MOST_FILES = 15

const texts = import.meta.glob<string>('./lib/**/*.ts', { query: '?raw', import: 'default', eager: true })
const sources = Object.entries(texts)
  .filter(([path]) => !path.endsWith('.test.ts') && !path.endsWith('.d.ts'))
  .map(([path, text]) => ({ path, folder: path.split('/')[2]!, text }))

function importsOf(text: string): string[] {
  return [...text.matchAll(/from '\$lib\/([^/']+)\//g)].map((match) => match[1]!)
}

function exportsOf(text: string): string[] {
  return [...text.matchAll(/^export (?:async )?(?:class|const|function|interface|type) (\w+)/gm)].map((match) => match[1]!)
}

describe('lib', () => {
  it('holds only the folders that have a floor', () => {
    expect(new Set(sources.map(({ folder }) => folder))).toEqual(new Set(FLOORS))
  })

  it('imports down the floors, never up', () => {
    const up = sources.flatMap(({ path, folder, text }) =>
      importsOf(text).filter((to) => FLOORS.indexOf(to) > FLOORS.indexOf(folder)).map((to) => `${path} -> ${to}`),
    )
    expect(up).toEqual([])
  })

  it('keeps five to fifteen modules in a folder', () => {
    const sizes = FLOORS.map((floor) => ({ floor, files: sources.filter(({ folder }) => folder === floor).length }))
    expect(sizes.filter(({ files }) => files < FEWEST_FILES || files > MOST_FILES)).toEqual([])
  })

  it('exports no name twice', () => {
    const names = sources.flatMap(({ text }) => exportsOf(text)).sort()
    expect(names.filter((name, place) => name === names[place - 1])).toEqual([])
  })
})

describe('pages and parts', () => {
  const markup = import.meta.glob<string>(['./parts/**/*.svelte', './pages/**/*.svelte'], { query: '?raw', import: 'default', eager: true })

  /** A message of the tracker has code between backticks: `CodeText` shows it as code. A text that points at a place keeps its columns. */
  it('show a message by CodeText, so that no backtick is shown', () => {
    const raw = Object.entries(markup).flatMap(([path, text]) => {
      const lines = text.split('\n').filter((line) => /<(p|span|li|td|div)\b[^>]*>[^<]*\{(?![#:])[^}]*(\bmessageOf\([^}]*\)|\b(message|refusal|error))\}/.test(line))
      return lines.map((line) => `${path}: ${line.trim()}`)
    })
    expect(raw).toEqual([])
  })
})
