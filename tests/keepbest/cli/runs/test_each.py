"""An act on several runs goes on past a run that refuses."""

from __future__ import annotations

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.cli.runs.each import act_on_each
from keepbest.errors import Conflict, KeepbestError, NotFound, Unreachable


def act(run: str) -> str:
    errors: dict[str, KeepbestError] = {
        "held": Conflict("Run held has a worker.", hint="Wait for it."),
        "gone": NotFound("There is no such run."),
        "deaf": Unreachable(),
    }
    if run in errors:
        raise errors[run]
    return run.upper()


def test_each_run_is_acted_on_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert act_on_each(["a", "b", "a"], act) == (["A", "B"], Exit.OK)
    assert capsys.readouterr().err == ""


def test_refusals_are_said_and_hold_up_no_other_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert act_on_each(["held", "a", "gone", "b"], act) == (["A", "B"], Exit.ERROR)
    first, second, third = capsys.readouterr().err.splitlines()
    assert (first, second) == ("error: Run held has a worker.", "next: Wait for it.")
    assert third == "error: Run gone: There is no such run."


@pytest.mark.parametrize(("runs", "error"), [(["held"], Conflict), (["a", "deaf", "b"], Unreachable)])
def test_an_error_that_is_no_refusal_is_raised(runs: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        act_on_each(runs, act)
