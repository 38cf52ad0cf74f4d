/** Puts a chart into an element of the page: it follows its element's size, the colour scheme, and what it shows. */
import type { Attachment } from 'svelte/attachments'
import { cssColor, theme } from '$lib/ui/theme.svelte'
import { CurveChart, type Axes, type AxisColors, type ChartEvents, type ChartRange, type Drawing } from './chart'
import type { OverlayColors } from './overlay'

export interface ChartColors {
  overlay: OverlayColors
  axes: AxisColors
}
export interface ShownChart {
  drawing: Drawing
  axes: Axes
  colors: AxisColors
  range: ChartRange
}

/** The colours of the present scheme; whoever reads them reads them again when the scheme changes. */
export function chartColors(): ChartColors {
  void theme.dark
  const color = (name: string) => cssColor(`--${name}`)
  const overlay = { band: color('band'), best: color('best'), stop: color('text'), segment: color('info'), resumePoint: color('accent'), surface: color('surface') }
  return { overlay, axes: { text: color('muted'), grid: color('line') } }
}

/** Charts with the same `sync` share their crosshair. */
export function chartIn(sync: string, on: ChartEvents, shown: () => ShownChart): Attachment<HTMLElement> {
  return (host) => {
    const plot = new CurveChart(host, sync, on)
    const resizing = new ResizeObserver(() => plot.resize())
    resizing.observe(host)
    let frame = 0
    $effect(() => {
      const { drawing, axes, colors, range } = shown()
      cancelAnimationFrame(frame)
      frame = requestAnimationFrame(() => plot.draw(drawing, axes, colors, range))
    })
    return () => {
      cancelAnimationFrame(frame)
      resizing.disconnect()
      plot.destroy()
    }
  }
}
