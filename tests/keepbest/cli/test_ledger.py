"""The ledger as a table: every policy's word, and what was noted."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keepbest.cli.ledger import show_looks
from keepbest.contract.looks import Look
from keepbest.contract.policies import Decision, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAID = "Step 200: 0.8; 1 of 5 checks without improvement."


def make_look(**given: object) -> Look:
    verdicts = [
        Verdict(policy="patience", stop=False, message="1 of 5 checks without improvement"),
        Verdict(policy="max_steps", stop=False, message="step 200 of 900"),
    ]
    decision = Decision(stop=False, improved=False, message=SAID, wait=1, patience_left=4, verdicts=verdicts)
    plain = {"seq": 1, "segment": 0, "step": 200, "value": 0.8, "decision": decision, "at": NOW}
    return Look.model_validate({**plain, **given})


def test_each_policy_and_the_note_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    look = make_look(n=5000, seconds=0.25, checkpoint="8zb8t2bpnx1w", note="skipped for a newer one")
    show_looks("val_accuracy", [look], as_json=False)
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
        (Decision(stop=False, improved=False), "go on"),
        (Decision(stop=True, improved=False, reason="peers"), "stop: peers"),
    ],
)
def test_a_decision_without_words_is_told_all_the_same(
    capsys: pytest.CaptureFixture[str], decision: Decision, said: str
) -> None:
    show_looks("val_accuracy", [make_look(decision=decision)], as_json=False)
    assert capsys.readouterr().out.rstrip().endswith(said)
