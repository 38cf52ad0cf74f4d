"""Odd values in a training script: named once, and training goes on."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.contract.batches import (
    CheckpointDropped,
    Progress,
    ReportedValidation,
    SegmentOpened,
    WithdrawnValidation,
)
from keepbest.journal import records, wire
from keepbest.journal.batch import Draft
from keepbest.stopping import Validation
from tests.support.callbacks import heard_run, keep_best


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_named", set())


@pytest.mark.parametrize(
    ("n", "kept"),
    [
        (10, 10),
        (np.int64(10), 10),
        (10.0, 10),
        (2**53, 2**53),
        (2**63, None),
        (-1, None),
        (math.nan, None),
        ("x", None),
    ],
)
def test_a_number_of_examples_that_no_database_holds_is_left_out(
    n: Any, kept: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """`n = 2**63` stopped nothing in the script, and everything after it on the way to the tracker."""
    run, uploader, _ = heard_run()
    for step in (1, 2):
        validation = Validation(step, 0.5, n)
        run.recorder.record_validation(validation, run.judge(validation), note="a\0\ud800b")
    validations = [record for record in uploader.items if isinstance(record, ReportedValidation)]
    assert [(validation.step, validation.n, validation.note) for validation in validations] == [
        (1, kept, "a\ufffd?b"),
        (2, kept, "a\ufffd?b"),
    ]
    assert len(caplog.records) == (kept is None)  # named once


def test_what_cannot_do_without_the_odd_value_is_left_out_whole(caplog: pytest.LogCaptureFixture) -> None:
    run, uploader, _ = heard_run()
    run.recorder.checkpoint_dropped("no id", "x" * 10_000)
    run.media.log_panel("\n", {"kind": "nothing"}, 2**63)  # type: ignore[arg-type]
    assert [record for record in uploader.items if isinstance(record, CheckpointDropped)] == []
    assert "a CheckpointDropped is left out" in caplog.text


def test_what_else_a_run_says_of_itself_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    run, uploader, _ = heard_run()
    decision = run.judge(Validation(1, 0.5))
    run.recorder.open_segment("resume", 1, 0, "no id")
    run.recorder.record_withdrawal(0, 1, 0.5, "x" * 10_000, decision, "no id")
    run.recorder.record_withdrawal(0, 2**60, 0.5, "", decision, None)
    opened = [record for record in uploader.items if isinstance(record, SegmentOpened)]
    withdrawn = [record for record in uploader.items if isinstance(record, WithdrawnValidation)]
    assert [(one.number, one.checkpoint) for one in opened] == [(0, None)]
    assert [(one.step, one.checkpoint, len(one.reason)) for one in withdrawn] == [(1, None, 500)]
    assert "a WithdrawnValidation is left out: " in caplog.text
    keep_best(run=run, monitor="val_" + "x" * 1000, stopper="max_steps(9)")
    declared = [record.declared for record in uploader.items if isinstance(record, Progress) and record.declared]
    assert [(one.monitor, one.stopper and one.stopper.name) for one in declared] == [(None, "max_steps")]


def test_a_record_that_no_batch_can_carry_costs_no_other(tmp_path: Path) -> None:
    draft = Draft()
    fields = {"segment": 0, "step": 1, "decision": {"stop": False, "improved": False}, "at": datetime.now(UTC)}
    good = ReportedValidation.model_validate(fields)
    with pytest.raises(ValueError, match="surrogates"):
        draft.add(good.model_copy(update={"note": "\ud800"}))
    draft.add(good)
    assert len(wire.decode(draft.encode("0" * 12, 1))[0]["validations"]) == 1
