"""`curve`: one metric of one run, drawn in the terminal, as CSV or as JSON."""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from keepbest.cli.common.formatting import at_step, clean
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import print_json, say, warn
from keepbest.cli.common.plot import LABEL, Plot, Point
from keepbest.client.client import Client
from keepbest.contract.runs import Run
from keepbest.contract.validations import Curve
from keepbest.errors import NotFound
from keepbest.hints import nearest
from keepbest.stopping.direction import find_mode

#: Points of a curve that is written out.
MOST_POINTS = 1_000_000
#: Letters across where nobody looks at it: a pipe.
PIPE_WIDTH = 80
NARROWEST, WIDEST = 20, 300
Width = Annotated[
    int | None,
    typer.Option("--width", "-w", min=NARROWEST, max=WIDEST, help="Letters across.", show_default="the terminal"),
]
Height = Annotated[int, typer.Option("--height", min=4, max=100, help="Lines of the drawing.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print every point: step, value, time, segment, ghost.")]


def curve(
    run: RunId,
    metric: Annotated[str | None, typer.Argument(help="The metric.", show_default="what the run watches")] = None,
    as_csv: AsCsv = False,
    width: Width = None,
    height: Height = 15,
    as_json: AsJson = False,
) -> None:
    """Draw a metric over the steps; the best is marked ●, and ✗ where a value is not finite."""
    across = width or min(WIDEST, max(NARROWEST, shutil.get_terminal_size((PIPE_WIDTH, 24)).columns - LABEL - 2))
    with Client() as client:
        known = client.run(run)
        key = metric or known.spec.monitor
        if key is None:
            raise NotFound("This run watches no metric.", field="metric", hint=f"keepbest curve {known.id} METRIC")
        points = MOST_POINTS if as_csv or as_json else across * 4
        result = client.curve(known.id, key, max_points=points)
        if not result.total:
            keys = [summary.key for summary in client.metrics(known.id).metrics]
            raise NotFound(f"Run {known.id} has no metric {key!r}.", field="metric", hint=nearest(key, keys))
    if as_json:
        print_json(result)
    elif as_csv:
        sys.stdout.write(_to_csv(result))
    else:
        _draw(known, result, Plot(across, height, _shows_braille()))


def _draw(run: Run, result: Curve, plot: Plot) -> None:
    points = list(_living(result))
    best = find_best(run, result.key, points)
    lines = plot.draw(points, best)
    best_words = f", best {at_step(best[1], int(best[0]))}" if best else ""
    say(f"{clean(result.key)} of {clean(run.name)} ({run.id}): {result.total:,} points{best_words}")
    if lines:
        say("\n".join(lines))
    else:
        warn("None of its values is finite.")


def find_best(run: Run, key: str, points: list[Point]) -> Point | None:
    """Return the point to mark: the run's best of what it watches, else the best by the metric's name."""
    if key == run.spec.monitor:
        return None if run.best_value is None or run.best_step is None else (run.best_step, run.best_value)
    finite = [point for point in points if math.isfinite(point[1])]
    mode = find_mode(key)
    if mode is None or not finite:
        return None
    return (min if mode == "min" else max)(finite, key=lambda point: point[1])


def _living(result: Curve) -> Iterator[Point]:
    """Yield the points that count: what a roll back left behind is not drawn."""
    for piece in result.pieces:
        if not piece.ghost:
            yield from zip(piece.steps, piece.values, strict=True)


def _to_csv(result: Curve) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("step", "value", "time", "segment", "ghost"))
    for piece in result.pieces:
        for step, value, time in zip(piece.steps, piece.values, piece.times, strict=True):
            rows.writerow((step, repr(value), repr(time), piece.segment, int(piece.ghost)))
    return text.getvalue()


def _shows_braille() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
