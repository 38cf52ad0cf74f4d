"""The ledger as a table: every policy's word, and what was noted."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from keepbest.cli.runs.decisions import show_validations
from keepbest.cli.runs.watch import validation_line
from keepbest.contract.policies import PolicyVerdict, StopperDecision
from keepbest.contract.validations import RecordedValidation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = "Step 200: 0.8; 1 of 5 checks without improvement."


def make_validation(**given: object) -> RecordedValidation:
    verdicts = [
        PolicyVerdict(policy="patience", stop=False, message="1 of 5 checks without improvement"),
        PolicyVerdict(policy="max_steps", stop=False, message="step 200 of 900"),
    ]
    decision = StopperDecision(stop=False, improved=False, message=SAID, wait=1, patience_left=4, verdicts=verdicts)
    plain = {"seq": 1, "segment": 0, "step": 200, "value": 0.8, "decision": decision, "at": NOW}
    return RecordedValidation.model_validate({**plain, **given})


def test_each_policy_and_the_note_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    validation = make_validation(n=5000, seconds=0.25, checkpoint="8zb8t2bpnx1w", note="skipped for a newer one")
    show_validations("val_accuracy", [validation], as_json=False)
    row = capsys.readouterr().out.splitlines()[1].split("  ")
    assert [cell.strip() for cell in row if cell] == [
        "200",
        "0.8",
        "5,000",
        "1",
        "4",
        "0.250 s",
        "8zb8t2bpnx1w",
        f"{SAID} max_steps: step 200 of 900. (skipped for a newer one)",
    ]


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (StopperDecision(stop=False, improved=False), "go on"),
        (StopperDecision(stop=True, improved=False, reason="peers"), "stop: peers"),
    ],
)
def test_a_decision_without_words_is_told_all_the_same(
    capsys: pytest.CaptureFixture[str], decision: StopperDecision, said: str
) -> None:
    show_validations("val_accuracy", [make_validation(decision=decision)], as_json=False)
    assert capsys.readouterr().out.rstrip().endswith(said)


def test_what_was_taken_back_and_what_took_it_back_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    better = StopperDecision(stop=False, improved=True, message="Step 200: 0.9 is the best so far.")
    again = StopperDecision(
        stop=False, improved=False, best_step=100, best_value=0.5, message="Step 200: 0.9; best 0.5."
    )
    validations = [
        make_validation(value=0.9, decision=better, is_withdrawn=True),
        make_validation(value=None, decision=again, withdraws=True, note="dense/kernel became NaN"),
    ]
    show_validations("val_accuracy", validations, as_json=False)
    taken, taking = capsys.readouterr().out.splitlines()[1:]
    assert ("withdrawn" in taken, "takes back" in taking, "(dense/kernel became NaN)" in taking) == (True, True, True)
    run = SimpleNamespace(spec=SimpleNamespace(monitor="val_accuracy"))
    assert validation_line(run, validations[1]) == (  # type: ignore[arg-type]
        "step      200  withdrawn as the best: dense/kernel became NaN; the best is val_accuracy 0.5 @ 100 again"
    )
