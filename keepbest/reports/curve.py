"""Pictures: the validations of a run over its steps, and the runs of a sweep in the order of the tries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import accumulate

from keepbest.contract.validations import RecordedValidation
from keepbest.figures import figure
from keepbest.stopping.validation import Mode

WIDTH, HEIGHT = 800, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 20, 40


def draw_validations(
    validations: Sequence[RecordedValidation], monitor: str, best_step: int | None, stop_step: int | None
) -> str:
    """Return an SVG with the best validation marked, abandoned branches pale and the stop as a line."""
    known = [
        validation for validation in validations if validation.value is not None and math.isfinite(validation.value)
    ]
    if not known:
        return ""
    frame = _Frame([validation.step for validation in known], [validation.value or 0.0 for validation in known])
    title = f"{monitor} over steps"
    parts = [_axes(frame, title)]
    for ghost in (True, False):
        points = [(validation.step, validation.value or 0.0) for validation in known if validation.ghost is ghost]
        parts.append(_line(frame, points, "#8888" if ghost else "#2b6cb0"))
    if stop_step is not None:
        x = frame.x(stop_step)
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#c53030" stroke-dasharray="4"/>'
        )
    best = next((validation for validation in known if validation.step == best_step and not validation.ghost), None)
    if best is not None and best.value is not None:
        parts.append(f'<circle cx="{frame.x(best.step)}" cy="{frame.y(best.value)}" r="5" fill="#2f855a"/>')
    return _svg(title, parts)


def draw_tries(values: Mapping[int, float], monitor: str, mode: Mode) -> str:
    """Return an SVG with the value of each try of a sweep, and the best so far as a line."""
    known = {number: value for number, value in sorted(values.items()) if math.isfinite(value)}
    if not known:
        return ""
    frame = _Frame(list(known), list(known.values()))
    better = max if mode == "max" else min
    bests = list(accumulate(known.values(), better))
    # The line goes across to the try at the best before it, then to the best with it.
    path = [(number, bests[max(0, at)]) for place, number in enumerate(known) for at in (place - 1, place)]
    dots = (f'<circle cx="{frame.x(n)}" cy="{frame.y(v)}" r="3.5" fill="#2b6cb0"/>' for n, v in known.items())
    title = f"{monitor} of each run, in the order of tries"
    return _svg(title, [_axes(frame, title), _line(frame, path, "#2f855a"), *dots])


def _svg(title: str, parts: Iterable[str]) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">'
    return f"{head}{''.join(parts)}</svg>"


class _Frame:
    """Maps a step and a value to their place in the picture."""

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


def _axes(frame: _Frame, title: str) -> str:
    low, high = frame.values
    text = '<text x="{}" y="{}" font-size="12" fill="currentColor" text-anchor="{}">{}</text>'
    parts = [
        text.format(LEFT - 8, frame.y(value) + 4, "end", figure(value, 4)) for value in (low, (low + high) / 2, high)
    ]
    parts += [text.format(frame.x(step), HEIGHT - BOTTOM + 18, "middle", f"{step:,}") for step in frame.steps]
    parts.append(text.format(WIDTH / 2, HEIGHT - 6, "middle", escape(title)))
    line = '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#8886"/>'
    parts.append(line.format(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM))
    parts.append(line.format(LEFT, TOP, LEFT, HEIGHT - BOTTOM))
    return "".join(parts)


def _line(frame: _Frame, points: Sequence[tuple[int, float]], colour: str) -> str:
    if not points:
        return ""
    joined = " ".join(f"{frame.x(step)},{frame.y(value)}" for step, value in points)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>'
