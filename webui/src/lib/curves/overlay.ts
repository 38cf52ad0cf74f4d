/** Draws annotations on the canvas of a chart: the patience window behind the lines; the best, the stop and the segments over them. */
import type uPlot from 'uplot'

export interface Overlay {
  band: { from: number; to: number } | null
  target: number | null
  best: { x: number; y: number; text: string } | null
  lines: { x: number; text: string; tone: 'stop' | 'segment' }[]
  resumePoints: { x: number; y: number; key: string; solid: boolean }[] // states that a run can be resumed from
  nonFinite: { x: number; value: number; color: string }[]
  marks?: RunMark[]
  labelsAtBottom: boolean // labels of lines stand at the labelsAtBottom: where higher is better the curve is at the top
  colors: OverlayColors
}
/** On a chart of many runs: the best of a run, or where it stopped. */
export interface RunMark {
  x: number
  y: number
  color: string
  kind: 'best' | 'stop'
}
export interface OverlayColors {
  band: string
  best: string
  stop: string
  segment: string
  resumePoint: string
  surface: string
}

const FONT = '11px system-ui, sans-serif'

export function drawBehind(plot: uPlot, overlay: Overlay): void {
  withinPlot(plot, (ctx, area) => {
    if (overlay.band) {
      const left = clamp(plot.valToPos(overlay.band.from, 'x', true), area.left, area.right)
      const right = clamp(plot.valToPos(overlay.band.to, 'x', true), area.left, area.right)
      ctx.fillStyle = overlay.colors.band
      ctx.fillRect(left, area.top, right - left, area.height)
    }
  })
}

export function drawOver(plot: uPlot, overlay: Overlay): void {
  withinPlot(plot, (ctx, area) => {
    if (overlay.target !== null) drawTarget(plot, ctx, area, overlay)
    overlay.lines.forEach((line, index) => drawLine(plot, ctx, area, overlay, line, index))
    for (const mark of overlay.resumePoints) drawResumePoint(plot, ctx, area, mark, overlay.colors)
    for (const point of overlay.nonFinite) drawNonFinite(plot, ctx, area, point)
    for (const mark of overlay.marks ?? []) drawRunMark(plot, ctx, area, mark, overlay.colors)
    if (overlay.best) drawBest(plot, ctx, area, overlay, overlay.best)
  })
}

/** A triangle at the best, a short line at the stop. */
function drawRunMark(plot: uPlot, ctx: CanvasRenderingContext2D, area: Area, mark: RunMark, colors: OverlayColors): void {
  const [x, y, size] = [plot.valToPos(mark.x, 'x', true), plot.valToPos(mark.y, 'y', true), 5 * area.ratio]
  if (mark.kind === 'stop') return stroke(ctx, mark.color, 2 * area.ratio, [], [x, y - size], [x, y + size])
  ctx.beginPath()
  ctx.moveTo(x, y - size)
  ctx.lineTo(x + size, y + size)
  ctx.lineTo(x - size, y + size)
  ctx.closePath()
  ctx.fillStyle = mark.color
  ctx.strokeStyle = colors.surface
  ctx.lineWidth = area.ratio
  ctx.setLineDash([])
  ctx.fill()
  ctx.stroke()
}

interface Area {
  left: number
  top: number
  right: number
  bottom: number
  height: number
  ratio: number
}

function withinPlot(plot: uPlot, paint: (ctx: CanvasRenderingContext2D, area: Area) => void): void {
  const { left, top, width, height } = plot.bbox
  const { ctx } = plot
  ctx.save()
  ctx.beginPath()
  ctx.rect(left, top, width, height)
  ctx.clip()
  const ratio = plot.ctx.canvas.width / plot.width
  ctx.font = FONT.replace('11px', `${11 * ratio}px`)
  // uPlot sets these for its axes.
  ctx.textAlign = 'left'
  ctx.textBaseline = 'alphabetic'
  paint(ctx, { left, top, right: left + width, bottom: top + height, height, ratio })
  ctx.restore()
}

function drawTarget(plot: uPlot, ctx: CanvasRenderingContext2D, area: Area, overlay: Overlay): void {
  const y = plot.valToPos(overlay.target!, 'y', true)
  const from = overlay.band ? plot.valToPos(overlay.band.from, 'x', true) : area.left
  stroke(ctx, overlay.colors.best, area.ratio, [2, 3], [Math.max(area.left, from), y], [area.right, y])
}

function drawLine(
  plot: uPlot, ctx: CanvasRenderingContext2D, area: Area, overlay: Overlay, line: Overlay['lines'][number], index: number,
): void {
  const x = plot.valToPos(line.x, 'x', true)
  if (x < area.left - 1 || x > area.right + 1) return
  const color = overlay.colors[line.tone]
  stroke(ctx, color, area.ratio, line.tone === 'stop' ? [] : [4, 3], [x, area.top], [x, area.bottom])
  const row = (13 + (index % 4) * 14) * area.ratio
  const y = overlay.labelsAtBottom ? area.bottom - row + 4 * area.ratio : area.top + row
  label(ctx, line.text, x, y, area, color, overlay.colors.surface)
}

function drawBest(
  plot: uPlot, ctx: CanvasRenderingContext2D, area: Area, overlay: Overlay, best: NonNullable<Overlay['best']>,
): void {
  const x = plot.valToPos(best.x, 'x', true)
  const y = plot.valToPos(best.y, 'y', true)
  if (x < area.left || x > area.right) return
  ctx.beginPath()
  ctx.arc(x, y, 4.5 * area.ratio, 0, 2 * Math.PI)
  ctx.fillStyle = overlay.colors.best
  ctx.fill()
  ctx.lineWidth = 2 * area.ratio
  ctx.strokeStyle = overlay.colors.surface
  ctx.stroke()
  const below = y - area.top < 30 * area.ratio
  label(ctx, best.text, x, y + (below ? 20 : -11) * area.ratio, area, overlay.colors.best, overlay.colors.surface)
}

/** A diamond, filled for a state in memory. */
function drawResumePoint(
  plot: uPlot, ctx: CanvasRenderingContext2D, area: Area, mark: Overlay['resumePoints'][number], colors: OverlayColors,
): void {
  const [x, y] = [plot.valToPos(mark.x, 'x', true), plot.valToPos(mark.y, 'y', true)]
  const r = 5 * area.ratio
  ctx.beginPath()
  ctx.moveTo(x, y - r)
  for (const [dx, dy] of [[r, 0], [0, r], [-r, 0]] as const) ctx.lineTo(x + dx, y + dy)
  ctx.closePath()
  ctx.fillStyle = mark.solid ? colors.resumePoint : colors.surface
  ctx.fill()
  ctx.lineWidth = 1.5 * area.ratio
  ctx.strokeStyle = colors.resumePoint
  ctx.stroke()
}

/** A value that is not finite is a cross at an edge: NaN and -Infinity below, Infinity above. */
function drawNonFinite(plot: uPlot, ctx: CanvasRenderingContext2D, area: Area, point: Overlay['nonFinite'][number]): void {
  const x = plot.valToPos(point.x, 'x', true)
  const r = 3 * area.ratio
  const y = point.value === Infinity ? area.top + 2 * r : area.bottom - 2 * r
  stroke(ctx, point.color, area.ratio * 1.5, [], [x - r, y - r], [x + r, y + r])
  stroke(ctx, point.color, area.ratio * 1.5, [], [x - r, y + r], [x + r, y - r])
}

function label(
  ctx: CanvasRenderingContext2D, text: string, x: number, y: number, area: Area, color: string, surface: string,
): void {
  const width = ctx.measureText(text).width
  const gap = 7 * area.ratio
  const left = x + gap + width > area.right ? x - gap - width : x + gap
  ctx.lineWidth = 4 * area.ratio
  ctx.lineJoin = 'round'
  ctx.strokeStyle = surface
  ctx.strokeText(text, left, y)
  ctx.fillStyle = color
  ctx.fillText(text, left, y)
}

type Point = [number, number]

function stroke(ctx: CanvasRenderingContext2D, color: string, width: number, dash: number[], from: Point, to: Point): void {
  ctx.beginPath()
  ctx.setLineDash(dash.map((length) => length * width))
  ctx.lineWidth = width
  ctx.strokeStyle = color
  ctx.moveTo(...from)
  ctx.lineTo(...to)
  ctx.stroke()
  ctx.setLineDash([])
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value))
}
