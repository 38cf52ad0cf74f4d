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

let known: { dark: boolean; colors: ChartColors } | null = null

/** The colours of the present scheme; whoever reads them reads them again when the scheme changes. */
export function chartColors(): ChartColors {
  if (known?.dark === theme.dark) return known.colors
  const colors = readColors()
  // Reading makes the browser compute every style anew: once a scheme, as soon as the style sheets are there.
  if (document.readyState === 'complete') known = { dark: theme.dark, colors }
  return colors
}

function readColors(): ChartColors {
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
