"""Foreign runs come to a real tracker: once, further where their source grew, and not at all where it is another."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest

from keepbest.client.client import Client
from keepbest.contract.runs import Mode
from keepbest.errors import InvalidInput, NotFound, Unreachable
from keepbest.foreign import batches
from keepbest.foreign.foreign_run import ForeignFile, ForeignRun, Part, Points, Resumption
from keepbest.foreign.importer import Wishes, import_runs
from keepbest.foreign.report import ImportOutcome
from tests.support.imports import FIRST, a_metric
from tests.support.live import Live


def a_run(*parts: Part, source: str = "a.csv", **said: object) -> ForeignRun:
    return ForeignRun("csv", source, name="a run", parts=lambda: iter(parts), **said)  # type: ignore[arg-type]


def a_file(path: str, content: bytes) -> ForeignFile:
    return ForeignFile(path, len(content), lambda: BytesIO(content))


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    with live.client() as made:
        yield made


def take(client: Client | None, run: ForeignRun, **wishes: object) -> ImportOutcome:
    (outcome,) = import_runs(client, [run], Wishes(**wishes)).runs  # type: ignore[arg-type]
    return outcome


def test_a_run_comes_once_and_grows(client: Client) -> None:
    files = (a_file("a.txt", b"one"), a_file("b.txt", b"two"))
    short = a_run(a_metric("val_loss", [3.0, 2.0]), a_metric("loss", [1.0, np.nan]), files[0])
    grown = a_run(a_metric("val_loss", [3.0, 2.0, 1.0]), a_metric("loss", [1.0, np.nan, 0.5]), *files)
    outcomes = [take(client, run) for run in (short, short, grown, grown)]
    assert [outcome.status for outcome in outcomes] == ["new", "there", "grown", "there"]
    assert [(outcome.new_points, outcome.new_files) for outcome in outcomes] == [(4, 1), (0, 0), (2, 1), (0, 0)]
    assert {outcome.run for outcome in outcomes} == {outcomes[0].run}
    last = outcomes[-1]
    assert (last.validations, last.best_value, last.monitor, last.is_guessed) == (3, 1.0, "val_loss", True)


def test_moments_come_from_the_points(client: Client) -> None:
    outcome = take(client, a_run(a_metric("val_loss", [3.0, 2.0])))
    shown = client.run(outcome.run or "")
    assert shown.started_at is not None
    assert shown.ended_at is not None
    assert (shown.started_at.timestamp(), shown.ended_at.timestamp()) == (FIRST, FIRST + 1)


def test_an_import_that_was_cut_off_goes_on(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_POINTS", 10)
    run = a_run(a_metric("val_loss", [float(100 - step) for step in range(45)]), a_metric("loss", [1.0] * 30))
    sent, real = [0], client.imports.send

    def die(id: str, body: bytes) -> object:
        sent[0] += 1
        if sent[0] == 4:
            raise Unreachable("killed")
        return real(id, body)

    monkeypatch.setattr(client.imports, "send", die)
    with pytest.raises(Unreachable):
        take(client, run)
    outcome = take(client, run)
    assert (outcome.status, outcome.points, outcome.new_points, outcome.validations) == ("grown", 75, 45, 45)
    known = {metric.key: metric.count for metric in client.metrics(outcome.run or "").metrics}
    assert known == {"loss": 30, "val_loss": 45}


@pytest.mark.parametrize("values", [[3.0, 2.5, 1.0], [3.0], [9.0, 2.0, 1.0, 0.5][:1]])
def test_a_source_that_is_another_adds_nothing(client: Client, values: list[float]) -> None:
    first = take(client, a_run(a_metric("val_loss", [3.0, 2.0])))
    outcome = take(client, a_run(a_metric("val_loss", values), a_metric("other", [1.0])))
    assert (outcome.status, "--again" in outcome.left_out[0]) == ("left_out", True)
    assert [metric.key for metric in client.metrics(first.run or "").metrics] == ["val_loss"]
    again = take(client, a_run(a_metric("val_loss", values)), again=True)
    assert (again.status, again.run != first.run) == ("new", True)


def test_a_script_that_went_on_has_segments(client: Client) -> None:
    later = a_metric("val_loss", [2.5, 1.0], first=1, at=FIRST + 10)
    outcome = take(client, a_run(a_metric("val_loss", [3.0, 2.0]), Resumption(FIRST + 9), Resumption(FIRST + 9), later))
    shown = client.validations(outcome.run or "").validations
    assert [(each.segment, each.step, each.ghost) for each in shown] == [
        (0, 0, False), (0, 1, True), (1, 1, False), (1, 2, False)
    ]  # fmt: skip


def test_what_does_not_fit_is_said(client: Client) -> None:
    odd = Points("loss", np.array([-1, 0, 2**60]), np.ones(3), np.array([1.0, np.inf, 1.0]))
    run = a_run(
        odd,
        a_metric("a\0b", [1.0]),
        a_metric("a\x01b", [1.0]),
        a_file("../up", b"x"),
        parameters={"k" * 300: 1, "big": "x" * 30_000, "good": 1},
        tags={"t" * 300: "", "u": "\ud800"},
        notes="n" * 11_000,
    )
    outcome = take(client, run)
    assert (outcome.points, outcome.files, outcome.new_files) == (2, 1, 0)
    assert client.run(outcome.run or "").spec.parameters == {"good": 1}
    told = "\n".join(outcome.left_out)
    for word in ("negative", "no calendar", "another has its name", "'../up'", "'big'", "the tag", "notes", "val_"):
        assert word in told


def test_a_reader_that_fails_keeps_what_was_right(client: Client) -> None:
    def parts() -> Iterator[Part]:
        yield a_metric("val_loss", [2.0, 1.0])
        raise InvalidInput("the file is cut")

    outcome = take(client, ForeignRun("csv", "cut.csv", name="cut", parts=parts))
    assert (outcome.status, outcome.validations) == ("new", 2)
    assert outcome.left_out == ["what follows: the file is cut"]


def test_a_source_that_went_away_is_no_whole_run(client: Client) -> None:
    def parts() -> Iterator[Part]:
        yield a_metric("val_loss", [2.0, 1.0])
        raise Unreachable("no answer")

    with pytest.raises(Unreachable):
        take(client, ForeignRun("csv", "a.csv", name="a run", parts=parts))
    assert take(client, a_run(a_metric("val_loss", [2.0, 1.0]))).status == "grown"


@pytest.mark.parametrize("error", [NotFound("it is gone"), OSError(5, "Input/output error"), ValueError("odd")])
def test_a_file_that_cannot_be_read_is_left_out(client: Client, error: Exception) -> None:
    def fail() -> BytesIO:
        raise error

    bad, good = ForeignFile("bad.bin", 5, fail), a_file("good.txt", b"hello")
    outcome = take(client, a_run(a_metric("val_loss", [1.0]), bad, good))
    assert (outcome.status, outcome.files, outcome.new_files) == ("new", 2, 1)
    assert len(outcome.left_out) == 1
    assert "bad.bin" in outcome.left_out[0]


def test_a_deleted_run_is_left_out(client: Client) -> None:
    first = take(client, a_run(a_metric("val_loss", [1.0])))
    client.delete_run(first.run or "")
    outcome = take(client, a_run(a_metric("val_loss", [1.0])))
    assert (outcome.status, "deleted" in outcome.left_out[0]) == ("left_out", True)


def test_a_look_sends_nothing() -> None:
    outcome = take(None, a_run(a_metric("val_accuracy", [0.5, 0.7]), a_file("a.txt", b"hello")))
    assert (outcome.status, outcome.points, outcome.files, outcome.bytes) == ("would_come", 2, 1, 5)
    assert (outcome.monitor, outcome.mode, outcome.is_guessed) == ("val_accuracy", Mode.MAX, True)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({}, "no metric is named val_"),
        ({"monitor": "scores"}, "there is no metric 'scores'"),
        ({"monitor": "score"}, "which way score gets better"),
    ],
)
def test_why_nothing_is_judged_is_said(client: Client, wishes: dict[str, str], words: str) -> None:
    outcome = take(client, a_run(a_metric("score", [1.0])), **wishes)
    assert (outcome.monitor, words in outcome.left_out[0]) == (None, True)
