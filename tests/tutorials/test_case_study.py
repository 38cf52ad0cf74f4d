"""`make case-study`: what it asks for, and what it writes of runs whose validations are known. Nothing is trained."""

from __future__ import annotations

import pytest

from keepbest.contract.checkpoints import Receipt
from keepbest.contract.runs import TestResult
from keepbest.stopping import parse
from tests.support.live import FakeWorker, Live, now
from tests.tutorials import table
from tests.tutorials.case_study import BEGIN, CANDIDATES, PAGE, SEEDS, STEPS, ask, requests
from tests.tutorials.findings import Study, find_kept, find_noise, tell
from tests.tutorials.service import read_validations
from tests.tutorials.systems import Outcome

#: Right of 360 images at steps 100, 200, …: 1000 steps after 200 the tutorial's rule would stop, before the best.
RIGHT = (180, 324, *(320,) * 11, 342)
LAST = 100 * len(RIGHT)


@pytest.fixture
def study(live: Live) -> Study:
    """Two runs of 1400 steps that learned the same, trained by nobody."""
    outcomes = [_train(live, live.add_worker(), seed) for seed in range(2)]
    runs = [outcome.run.id for outcome in outcomes]
    with live.client() as client:
        return Study(outcomes, client.replay(ask(runs, 0.0)), client.replay(ask(runs, 0.5)), 0.5)


def _train(live: Live, worker: FakeWorker, seed: int) -> Outcome:
    with live.client() as client:
        asked = requests(short=True)[seed].model_copy(update={"max_steps": LAST})
        run = client.submit(asked).id
        worker.claim()
        usual = {"segment": 0, "n": 360, "decision": {"stop": False, "improved": False}, "at": now()}
        validations = [
            {**usual, "step": 100 * place, "value": right / 360} for place, right in enumerate(RIGHT, start=1)
        ]
        worker.say(validations=validations, progress={"step": LAST, "at": now()})
        worker.finish(stop_reason="max_steps")
        known = client.run(run).model_copy(update={"test": TestResult(step=LAST, n=300, values={"accuracy": 0.9})})
        receipt = Receipt(
            run=run, checkpoint="c" * 12, step=LAST, monitor="val_accuracy",
            recorded=0.95, restored=0.95, difference=0.0, n=360, equal=True,
        )  # fmt: skip
        return Outcome(known, list(read_validations(client, run)), receipt)


def test_what_is_told_of_known_runs(study: Study) -> None:
    lines = list(tell(study))
    told = {line.split("`")[1]: [cell.strip() for cell in line.split("|")[2:-2]] for line in lines if "| `" in line[:4]}
    assert list(told) == list(CANDIDATES)
    assert told["1000steps"] == ["1,201 (1,201 to 1,201)", "0", "0, 0", "18, 18", "2 of 2", "0 of 2"]
    assert told["2000steps"] == ["1,400 (1,400 to 1,400)", "-199", "-18, -18", "0, 0", "2 of 2", "2 of 2"]
    assert told["progress_quotient(alpha=0.75)"] == ["", "", "", "", "0 of 0", "0 of 0"], "no training loss is recorded"
    assert "| 1 | 95.00% at 1,400 | 1,201 | 90.00% at 200 | 90.00% (86.08% to 92.91%) | to the last bit |" in lines
    assert f"| none | {study.strict.message} |" in lines
    assert f"| one standard error: 0.5000, 180 images | {study.lenient.message} |" in lines
    assert [line for line in lines if "**recommended**" in line]


def test_of_equal_validations_the_first_is_kept(study: Study) -> None:
    assert find_kept(study.outcomes[0], 1300).step == 200
    assert find_kept(study.outcomes[0], None).step == LAST
    assert find_noise(study.outcomes) == pytest.approx((0.95 * 0.05 / 360) ** 0.5)


def test_what_is_asked_can_be_read_and_nothing_ends_early() -> None:
    assert len(requests(short=False)) == len(SEEDS) >= 5
    assert {run.max_steps for run in requests(short=False)} == {STEPS}
    assert {run.seed for run in requests(short=False)} == set(SEEDS)
    assert all(parse(policy) for policy in CANDIDATES)


def test_the_page_holds_a_row_for_each_policy() -> None:
    page = PAGE.read_text()
    assert [policy for policy in CANDIDATES if f"\n| `{policy}` |" not in page] == [], "make case-study writes them"
    begin, end = page.index(BEGIN), page.index(table.END)
    assert begin < page.index(CANDIDATES[0], begin) < end
    assert table.between(page, BEGIN, ["new"]).endswith(f"{BEGIN}\nnew\n{page[end:]}")
