/** The only module that knows uPlot: the rest of the dashboard knows lines, annotations and readings. */
import uPlot from 'uplot'
import type { Column } from './align'
import { drawBehind, drawOver, type Overlay } from './overlay'

export interface LineStyle {
  color: string
  width: number
  alpha: number
  dash: readonly number[]
}
export interface Drawing {
  x: number[]
  columns: Column[]
  lines: LineStyle[]
  overlay: Overlay
  /** Areas between two of the columns, by their places. */
  bands?: { high: number; low: number; fill: string }[]
}
export interface Axes {
  log: boolean
  /** The range of y that somebody set. */
  yRange?: readonly [number, number] | null
  xText: (value: number) => string
  yText: (value: number) => string
}
export interface AxisColors {
  text: string
  grid: string
}
export interface ChartEvents {
  hover(x: number | null): void
  /** `isPassing` while somebody drags the chart. */
  zoom(range: [number, number] | null, isPassing?: boolean): void
  /** Somebody clicked the mark of a resume point. Where it is missing, no mark can be clicked. */
  pick?: (key: string) => void
  /** Where the pointer is, on this chart alone; with it, the line nearest to the pointer stands out. */
  point?: (at: Pointed | null) => void
  click?: () => void
}
/** The place of the pointer, in values and in pixels of the plot. */
export interface Pointed {
  x: number
  y: number
  left: number
  top: number
}

type Range = [number, number] | null

/** What of x is seen: the zoom, else what all charts of the page share, else all. */
export interface ChartRange {
  zoom: Range
  shared: Range
}

const X_SPACE = 72
const Y_SPACE = 34
const Y_WIDTH = 58
/** How near a click must come to a mark, and how far the mouse may move in a click, in CSS pixels. */
const CLICK_RADIUS = 12
const CLICK_MOVE = 3
/** How near the pointer must come to a line for the others to fade. */
const FOCUS_DISTANCE = 24
const FADED = 0.25

export class CurveChart {
  private plot: uPlot | null = null
  private layout = ''
  private drawing: Drawing | null = null
  private zoomed: Range = null
  private shared: Range = null
  private isDragged = false

  constructor(
    private readonly host: HTMLElement,
    private readonly sync: string,
    private readonly on: ChartEvents,
  ) {}

  draw(drawing: Drawing, axes: Axes, colors: AxisColors, range: ChartRange): void {
    this.drawing = drawing
    this.zoomed = range.zoom
    this.shared = range.shared
    const layout = JSON.stringify([drawing.lines, axes.log, axes.yRange, colors, axes.xText(3600), drawing.bands])
    const data = [drawing.x, ...drawing.columns] as uPlot.AlignedData
    if (!this.plot || layout !== this.layout) this.build(data, axes, colors)
    else this.plot.setData(data, true)
    this.layout = layout
  }

  resize(): void {
    this.plot?.setSize(this.size())
  }

  destroy(): void {
    this.plot?.destroy()
    this.plot = null
  }

  private build(data: uPlot.AlignedData, axes: Axes, colors: AxisColors): void {
    this.plot?.destroy()
    this.plot = new uPlot(this.options(axes, colors), data, this.host)
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(120, this.host.clientWidth), height: Math.max(120, this.host.clientHeight) }
  }

  private options(axes: Axes, colors: AxisColors): uPlot.Options {
    return {
      ...this.size(),
      legend: { show: false },
      scales: { x: { time: false, range: (_, min, max) => this.xRange(min, max) }, y: yScale(axes) },
      axes: [xAxis(axes, colors), yAxis(axes, colors)],
      series: [{}, ...this.drawing!.lines.map(seriesOf)],
      cursor: this.cursor(),
      ...(this.on.point && { focus: { alpha: FADED } }),
      bands: (this.drawing!.bands ?? []).map(({ high, low, fill }) => ({ series: [high + 1, low + 1], fill })),
      hooks: {
        drawClear: [(plot) => drawBehind(plot, this.drawing!.overlay)],
        draw: [(plot) => drawOver(plot, this.drawing!.overlay)],
        ready: [(plot) => this.listen(plot)],
        setCursor: [(plot) => this.point(plot)],
        setSelect: [(plot) => this.select(plot)],
      },
    }
  }

  private cursor(): uPlot.Cursor {
    return {
      sync: { key: this.sync, scales: ['x', null] },
      y: false,
      points: { size: 6 },
      drag: { x: true, y: false, setScale: false },
      ...(this.on.point && { focus: { prox: FOCUS_DISTANCE } }),
      bind: {
        dblclick: () => () => (this.on.zoom(null), null),
        mousedown: (plot, _, handler) => (event) => (event.shiftKey ? this.pan(plot, event) : handler(event)),
      },
    }
  }

  /** Shift and drag move the part that is seen. */
  private pan(plot: uPlot, start: MouseEvent): null {
    const { min = 0, max = 1 } = plot.scales.x!
    const shifted = (event: MouseEvent): [number, number] => {
      const by = ((event.clientX - start.clientX) / plot.over.clientWidth) * (max - min)
      return [min - by, max - by]
    }
    let hasMoved = false
    const move = (event: MouseEvent) => {
      hasMoved = true
      this.on.zoom(shifted(event), true)
    }
    const end = (event: MouseEvent) => {
      removeEventListener('mousemove', move)
      if (hasMoved) this.on.zoom(shifted(event))
    }
    addEventListener('mousemove', move)
    addEventListener('mouseup', end, { once: true })
    return null
  }

  private point(plot: uPlot): void {
    this.on.hover(hovered(plot))
    const { left = -1, top = -1 } = plot.cursor
    if (this.on.point) this.on.point(pointed(plot))
    plot.over.style.cursor = this.on.pick && this.resumePointNear(plot, left, top) ? 'pointer' : ''
  }

  /** A click picks a mark; a drag zooms. */
  private listen(plot: uPlot): void {
    let from = { x: 0, y: 0 }
    plot.over.addEventListener('mousedown', ({ clientX, clientY }) => {
      from = { x: clientX, y: clientY }
      this.isDragged = true
      // uPlot hears the end of a drag before the window does; it may come anywhere, with no click here.
      addEventListener('mouseup', () => (this.isDragged = false), { once: true })
    })
    plot.over.addEventListener('click', (event) => {
      if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > CLICK_MOVE) return
      const key = this.resumePointNear(plot, event.offsetX, event.offsetY)
      if (key) this.on.pick?.(key)
      else this.on.click?.()
    })
  }

  private resumePointNear(plot: uPlot, left: number, top: number): string | null {
    const away = (mark: Overlay['resumePoints'][number]) => Math.hypot(plot.valToPos(mark.x, 'x') - left, plot.valToPos(mark.y, 'y') - top)
    const near = (this.drawing?.overlay.resumePoints ?? []).map((mark) => ({ key: mark.key, away: away(mark) })).sort((a, b) => a.away - b.away)[0]
    return near && near.away <= CLICK_RADIUS ? near.key : null
  }

  /** Charts that share the crosshair share the drag as well: only the chart that was dragged zooms. */
  private select(plot: uPlot): void {
    const { left, width } = plot.select
    if (width < 4) return
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
    if (this.isDragged) this.on.zoom([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')])
  }

  private xRange(min: number | null, max: number | null): [number, number] {
    if (this.zoomed) return this.zoomed
    if (min === null || max === null) return [0, 1]
    const [from, to] = this.shared ?? [min, max]
    return to > from ? [from, to] : [from - 0.5, from + 0.5]
  }
}

function hovered(plot: uPlot): number | null {
  const index = plot.cursor.idx
  return index === null || index === undefined || plot.cursor.left! < 0 ? null : (plot.data[0][index] ?? null)
}

/** A chart that follows the crosshair of another has no pointer of its own. */
function pointed(plot: uPlot): Pointed | null {
  const { left = -1, top = -1 } = plot.cursor
  if (left < 0 || !plot.over.matches(':hover')) return null
  return { x: plot.posToVal(left, 'x'), y: plot.posToVal(top, 'y'), left, top }
}

function yScale({ log, yRange }: Axes): uPlot.Scale {
  if (yRange && (!log || yRange[0] > 0)) return { ...(log && { distr: 3 as const }), range: () => [...yRange] as [number, number] }
  if (!log) return { range: (_, min, max) => (min === null ? [0, 1] : padded(min, max)) }
  // uPlot would widen a logarithmic axis to whole decades and flatten the curve.
  return { distr: 3, range: (_, min, max) => (min === null || min <= 0 ? [0.1, 1] : [min / 1.15, max * 1.15]) }
}

function padded(min: number, max: number): [number, number] {
  const room = (max - min || Math.abs(max) || 1) * 0.07
  return [min - room, max + room]
}

function seriesOf(line: LineStyle): uPlot.Series {
  return {
    stroke: line.color,
    width: line.width,
    alpha: line.alpha,
    dash: [...line.dash],
    points: { show: (plot, index) => isSparse(plot, index), size: 4 },
  }
}

/** A line of one or two points is hard to see, so its points are dots. */
function isSparse(plot: uPlot, index: number): boolean {
  let points = 0
  for (const value of plot.data[index]!) if (typeof value === 'number' && ++points > 2) return false
  return points > 0
}

function xAxis(axes: Axes, colors: AxisColors): uPlot.Axis {
  return { ...axisOf(colors), space: X_SPACE, size: 30, values: (_, ticks) => ticks.map(axes.xText) }
}

function yAxis(axes: Axes, colors: AxisColors): uPlot.Axis {
  const text = (tick: number | null) => (tick === null ? '' : axes.yText(tick))
  return { ...axisOf(colors), space: Y_SPACE, size: Y_WIDTH, values: (_, ticks) => ticks.map(text) }
}

function axisOf(colors: AxisColors): uPlot.Axis {
  const line = { stroke: colors.grid, width: 1 }
  return { stroke: colors.text, font: '11px system-ui, sans-serif', grid: line, ticks: { ...line, size: 4 }, gap: 5 }
}
