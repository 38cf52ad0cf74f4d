"""Names of W&B that keepbest lacks warn once; a misspelt name of our own is an error as ever."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import keepbest
from keepbest.errors import InvalidInput
from keepbest.tracking import current_run
from keepbest.tracking.init import init
from keepbest.tracking.wandb.absent import IGNORED, NEAREST, NEAREST_OF_RUN
from keepbest.tracking.wandb.alerts import Alerts
from keepbest.tracking.wandb.ignored import IgnoredArguments
from keepbest.tracking.wandb.warnings import forget_warnings
from tests.support.tiny_tracker import settings_of


@pytest.fixture(autouse=True)
def _warns_anew() -> None:
    forget_warnings()


@pytest.mark.parametrize("name", NEAREST)
def test_a_missing_name_warns_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        thing = getattr(keepbest, name)
        with thing(1).more["x"] as inner:
            inner.x = inner["y"] = 1
        assert (list(thing), bool(thing), repr(thing)) == ([], False, f"<{name}: not in keepbest>")
    (record,) = caplog.records
    assert re.match(rf"keepbest: {name} is not in keepbest; nearest: \S.*\.$", record.getMessage())


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("KeepBst", "KeepBest"), ("confg", "config"), ("imge", "Image"), ("define_metrics", "define_metric")],
)
def test_a_misspelt_name_is_an_error(name: str, nearest: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'. .*{nearest}"):
        getattr(keepbest, name)
    assert not hasattr(keepbest, "__path_of__")


def test_a_run_knows_its_missing_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = init(settings=settings_of(tmp_path, "http://127.0.0.1:9", mode="disabled"))
    for name in NEAREST_OF_RUN:
        assert not getattr(run, name)
    assert len(caplog.records) == len(NEAREST_OF_RUN)
    with pytest.raises(AttributeError, match="no attribute 'summry'"):
        run.summry  # type: ignore[attr-defined]  # noqa: B018


def test_an_argument_that_means_nothing_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_of(tmp_path, "http://127.0.0.1:9", mode="disabled")
    init(settings=settings, **dict.fromkeys(IGNORED, 1), resume=True)  # type: ignore[arg-type]
    assert len(caplog.records) == len(IGNORED) + 1
    assert set(IGNORED) == set(IgnoredArguments.__annotations__)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'stoper'. Did you mean 'stopper'\?"):
        init(settings=settings, stoper="patience(1)")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["log", "define_metric", "save", "alert", "log_artifact", "watch"])
def test_a_call_without_a_run_is_an_error(name: str) -> None:
    current_run.forget_all()
    with pytest.raises(InvalidInput, match=f"No run is open, so keepbest.{name} means none."):
        getattr(keepbest, name)({"x": 1})
    with pytest.raises(InvalidInput):
        keepbest.config  # noqa: B018
    keepbest.finish()
    assert (keepbest.run, keepbest.login(), len(keepbest.util.generate_id())) == (None, True, 12)


def test_an_alert_of_one_title_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    run = init(settings=settings_of(tmp_path, "http://127.0.0.1:9", mode="disabled"))
    alerts = Alerts(run.recorder, clock=lambda: now)
    for now, wait in ((0.0, None), (59.0, None), (60.0, 5), (66.0, "soon")):  # noqa: B007
        alerts.alert("t\0" * 100, "x" * 9999, wait_duration=wait)
    assert len(caplog.records) == 3
