/** A panel as a file: PNG from its canvas, SVG drawn anew, CSV with every point. */
import type { RunCurve } from '$lib/api/search'
import { csv } from '$lib/ui/csv'
import { figure } from '$lib/ui/format'
import { UNSEEN } from './align'
import type { Drawing } from './chart'

export interface Legend {
  name: string
  color: string
}

const [WIDTH, HEIGHT] = [900, 500]
const EDGE = { left: 70, right: 20, top: 40, bottom: 40 }
const TICKS = 5

/** A drawing as an SVG document with axes and a legend. Names come from people: they are escaped. */
export function chartAsSvg(title: string, drawing: Pick<Drawing, 'x' | 'columns' | 'lines' | 'bands'>, legend: readonly Legend[], isLog: boolean): string {
  const values = drawing.columns.flatMap((column) => column.filter((value): value is number => typeof value === 'number'))
  const scale = isLog ? Math.log10 : (value: number) => value
  const [low, high] = bounds(values.map(scale))
  const [from, to] = bounds(drawing.x)
  const bottom = HEIGHT - EDGE.bottom
  const px = (x: number) => EDGE.left + ((x - from) / (to - from)) * (WIDTH - EDGE.left - EDGE.right)
  const py = (y: number) => bottom - ((scale(y) - low) / (high - low)) * (bottom - EDGE.top)
  const lines = drawing.columns.map((column, index) => {
    const line = drawing.lines[index]!
    if (line.color === UNSEEN) return ''
    return `<path d="${pathOf(drawing.x, column, px, py)}" fill="none" stroke="${line.color}" stroke-width="${line.width}" opacity="${line.alpha}" stroke-dasharray="${line.dash.join(' ')}"/>`
  })
  const bands = (drawing.bands ?? []).map(({ high: over, low: under, fill }) => `<path d="${areaOf(drawing.x, drawing.columns[over]!, drawing.columns[under]!, px, py)}" fill="${fill}"/>`)
  const unscale = (value: number) => (isLog ? 10 ** value : value)
  const ticks = Array.from({ length: TICKS }, (_, index) => index / (TICKS - 1))
  const yAxis = ticks.map((share) => {
    const value = unscale(low + share * (high - low))
    return `<line x1="${EDGE.left}" x2="${WIDTH - EDGE.right}" y1="${py(value)}" y2="${py(value)}" stroke="#ddd"/><text x="${EDGE.left - 8}" y="${py(value) + 4}" text-anchor="end">${figure(value, 3)}</text>`
  })
  const xAxis = ticks.map((share) => `<text x="${px(from + share * (to - from))}" y="${bottom + 20}" text-anchor="middle">${figure(from + share * (to - from), 4)}</text>`)
  const names = legend.map(({ name, color }, index) => `<rect x="${EDGE.left}" y="${HEIGHT + index * 18 + 3}" width="14" height="4" fill="${color}"/><text x="${EDGE.left + 22}" y="${HEIGHT + index * 18 + 9}">${escaped(name)}</text>`)
  const height = HEIGHT + legend.length * 18 + 10
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12"><rect width="100%" height="100%" fill="#fff"/><text x="${EDGE.left}" y="24" font-size="16">${escaped(title)}</text>${[...yAxis, ...xAxis, ...bands, ...lines, ...names].join('')}</svg>`
}

function pathOf(x: readonly number[], column: Drawing['columns'][number], px: (x: number) => number, py: (y: number) => number): string {
  let isDown = false
  let path = ''
  column.forEach((value, index) => {
    if (value === null) isDown = false
    if (typeof value !== 'number') return
    path += `${isDown ? 'L' : 'M'}${px(x[index]!).toFixed(1)} ${py(value).toFixed(1)}`
    isDown = true
  })
  return path
}

/** The area between two columns: along the upper one, and back along the lower one. */
function areaOf(x: readonly number[], over: Drawing['columns'][number], under: Drawing['columns'][number], px: (x: number) => number, py: (y: number) => number): string {
  const places = [...x.keys()].filter((place) => typeof over[place] === 'number' && typeof under[place] === 'number')
  const corner = (place: number, column: typeof over) => `${px(x[place]!).toFixed(1)} ${py(column[place]!).toFixed(1)}`
  const corners = [...places.map((place) => corner(place, over)), ...places.toReversed().map((place) => corner(place, under))]
  return corners.length > 0 ? `M${corners.join('L')}Z` : ''
}

function bounds(values: readonly number[]): [number, number] {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) if (Number.isFinite(value)) [low, high] = [Math.min(low, value), Math.max(high, value)]
  if (low > high) return [0, 1]
  return low === high ? [low - 0.5, high + 0.5] : [low, high]
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** The canvas on a ground of its own colour, with a title and a legend under it. */
export async function canvasAsPng(canvas: HTMLCanvasElement, title: string, legend: readonly Legend[], colors: { ground: string; text: string }): Promise<Blob | null> {
  const ratio = canvas.width / Math.max(1, canvas.clientWidth)
  const row = 18 * ratio
  const picture = document.createElement('canvas')
  picture.width = canvas.width
  picture.height = canvas.height + row * (legend.length + 2)
  const ctx = picture.getContext('2d')!
  ctx.fillStyle = colors.ground
  ctx.fillRect(0, 0, picture.width, picture.height)
  ctx.font = `${13 * ratio}px system-ui, sans-serif`
  ctx.fillStyle = colors.text
  ctx.fillText(title, row / 2, row)
  ctx.drawImage(canvas, 0, row * 1.5)
  legend.forEach(({ name, color }, index) => {
    const y = canvas.height + row * (2.2 + index)
    ctx.fillStyle = color
    ctx.fillRect(row, y - row / 3, row, row / 5)
    ctx.fillStyle = colors.text
    ctx.fillText(name, row * 2.5, y)
  })
  return new Promise((resolve) => picture.toBlob(resolve, 'image/png'))
}

/** Every point; `nameOf` names a run. */
export function curvesAsCsv(curves: readonly RunCurve[], axis: string, nameOf: (run: string) => string): string {
  const rows = curves.flatMap(({ run, key, steps, x, values }) => steps.map((step, index) => [run, nameOf(run), key, step, ...(axis === 'step' ? [] : [x[index]]), values[index]]))
  return csv(['run', 'name', 'metric', 'step', ...(axis === 'step' ? [] : [axis]), 'value'], rows)
}
