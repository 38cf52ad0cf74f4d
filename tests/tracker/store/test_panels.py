"""Panels: taken once, listed without their pictures, the oldest let go; late ones only from a lease's own segments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from keepbest.contract.panels import Histogram, HistogramsData, PanelMade
from keepbest.errors import NotFound
from tests.support.store import NOW, submit
from tracker import db
from tracker.store import panels

HISTOGRAM: dict[str, Any] = {"name": "l1", "shape": [4], "edges": [0.0, 1.0, 2.0], "counts": [3, 1]}


def made(step: int, name: str = "outputs", segment: int = 0, **changes: Any) -> PanelMade:
    data = HistogramsData(kind="histograms", of="outputs", histograms=[Histogram(**{**HISTOGRAM, **changes})])
    return PanelMade(segment=segment, step=step, name=name, data=data, at=NOW + timedelta(seconds=step))


def test_what_is_kept_is_shown(engine: Engine) -> None:
    with db.write(engine) as conn:
        run = submit(conn)
        panels.add_panels(conn, run.pk, [made(100), made(200), made(100, "other")])
        panels.add_panels(conn, run.pk, [made(200, counts=[9, 9])])  # said again: the first stays
        listed = {series.name: [place.step for place in series.places] for series in panels.list_panels(conn, run.pk)}
        assert listed == {"other": [100], "outputs": [100, 200]}
        assert panels.get_panel(conn, run.pk, "outputs").data == made(200).data
        assert panels.get_panel(conn, run.pk, "outputs", step=100).step == 100
        with pytest.raises(NotFound, match="no panel 'outputs' at step 7"):
            panels.get_panel(conn, run.pk, "outputs", step=7)


def test_the_oldest_go_when_there_are_too_many(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "MAX_PANELS", 3)
    with db.write(engine) as conn:
        run = submit(conn)
        panels.add_panels(conn, run.pk, [made(step) for step in (1, 2, 3, 4, 5)])
        (series,) = panels.list_panels(conn, run.pk)
        assert [place.step for place in series.places] == [3, 4, 5]


def test_one_that_is_too_large_is_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "MAX_PANEL_BYTES", 10)
    with db.write(engine) as conn:
        run = submit(conn)
        panels.add_panels(conn, run.pk, [made(1)])
        assert panels.list_panels(conn, run.pk) == []
