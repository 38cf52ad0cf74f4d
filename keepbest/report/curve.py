"""The looks of a run as a picture: values over steps, the best one marked, ghosts pale, the stop as a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from keepbest.contract.looks import Look

WIDTH, HEIGHT = 800, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 40


def draw_looks(looks: Sequence[Look], monitor: str, best_step: int | None, stop_step: int | None) -> str:
    """Return an SVG; nothing in it is loaded from elsewhere or runs."""
    known = [look for look in looks if look.value is not None and math.isfinite(look.value)]
    if not known:
        return ""
    frame = _Frame([look.step for look in known], [look.value or 0.0 for look in known])
    parts = [_axes(frame, monitor)]
    for ghost in (True, False):
        points = [(look.step, look.value or 0.0) for look in known if look.ghost is ghost]
        parts.append(_line(frame, points, "#8888" if ghost else "#2b6cb0"))
    if stop_step is not None:
        x = frame.x(stop_step)
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#c53030" stroke-dasharray="4"/>'
        )
    best = next((look for look in known if look.step == best_step and not look.ghost), None)
    if best is not None and best.value is not None:
        parts.append(f'<circle cx="{frame.x(best.step)}" cy="{frame.y(best.value)}" r="5" fill="#2f855a"/>')
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'


class _Frame:
    """Where a step and a value lie in the picture."""

    def __init__(self, steps: Sequence[int], values: Sequence[float]) -> None:
        self.steps = (min(steps), max(max(steps), min(steps) + 1))
        low, high = min(values), max(values)
        margin = (high - low) * 0.05 or 0.5
        self.values = (low - margin, high + margin)

    def x(self, step: float) -> float:
        low, high = self.steps
        return round(LEFT + (min(max(step, low), high) - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.values
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)


def _axes(frame: _Frame, monitor: str) -> str:
    low, high = frame.values
    text = '<text x="{}" y="{}" font-size="12" fill="currentColor" text-anchor="{}">{}</text>'
    parts = [
        text.format(LEFT - 8, frame.y(value) + 4, "end", f"{value:.4g}") for value in (low, (low + high) / 2, high)
    ]
    parts += [text.format(frame.x(step), HEIGHT - BOTTOM + 18, "middle", f"{step:,}") for step in frame.steps]
    parts.append(text.format(WIDTH / 2, HEIGHT - 6, "middle", f"{escape(monitor)} over steps"))
    line = '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#8886"/>'
    parts.append(line.format(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM))
    parts.append(line.format(LEFT, TOP, LEFT, HEIGHT - BOTTOM))
    return "".join(parts)


def _line(frame: _Frame, points: Sequence[tuple[int, float]], colour: str) -> str:
    if not points:
        return ""
    joined = " ".join(f"{frame.x(step)},{frame.y(value)}" for step, value in points)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>'
