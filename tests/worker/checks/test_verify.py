"""Receipts: a fresh process gives the recorded value to the last bit, or says by how much it does not."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.cli.main import main
from tests.support.live import Live
from tests.support.own_code import Trained


def verify(run: str, capsys: pytest.CaptureFixture[str], *which: str) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["restore", run, "--verify", *which])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_equal_to_the_last_bit_and_off_by_one(
    train: Callable[..., Trained], live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train()
    trained.keep(math.nextafter(trained.loss, math.inf), step=100)
    status, out, _ = verify(trained.worker.run, capsys)
    assert status == Exit.RECEIPT_DIFFERS
    assert "equal to the last bit" not in out
    trained.keep(trained.loss, step=200)
    status, out, err = verify(trained.worker.run, capsys)
    assert (status, err) == (0, "Measuring the restored model in a fresh process …\n")
    assert out.splitlines() == [
        f"recorded   val_loss {trained.loss!r} at step 200",
        f"restored   val_loss {trained.loss!r} on 100 examples, in a fresh process",
        "difference 0.0 (equal to the last bit)",
    ]
    with live.client() as client:
        assert [receipt.equal for receipt in client.receipts(trained.worker.run).receipts] in (
            [True, False],
            [False, True],
        )


def test_code_that_fails_now_is_told_in_its_own_words(
    train: Callable[..., Trained], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(parameters={"units": 13})
    trained.keep(trained.loss)
    status, _, err = verify(trained.worker.run, capsys)
    assert status == Exit.ERROR
    assert "thirteen" in err
    assert "Traceback" not in err


def test_a_model_of_another_shape_names_the_variables(
    train: Callable[..., Trained], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = train(parameters={"units": 7})
    trained.keep(trained.loss)
    status, _, err = verify(trained.worker.run, capsys)
    assert status == Exit.ERROR
    assert "kernel" in err
