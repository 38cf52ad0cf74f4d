"""What each example did at a validation: written once with it, gone with its run, shown to those who ask."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, delete, func, select

from keepbest.contract.batches import ReportedValidation
from keepbest.contract.per_example import Examples
from keepbest.status import Role
from keepbest.stopping import Correct, Losses, Pairs, Unpaired
from keepbest.tracking.recorder import describe_examples
from tests.support.api import Api
from tests.support.store import NOW, submit
from tests.support.trainer import start_external
from tracker.api import validations as routes
from tracker.models import RunTable, ValidationExamplesTable
from tracker.store import per_example, validations
from tracker.store.runs import RunRow

RIGHT, LOSSES = Correct.of([True, False, True]), Losses.of([0.5, -1.0, float("inf")], "penalties left out")
ALL: list[Pairs] = [RIGHT, LOSSES, Correct.of([]), Losses.of([2.0]), Unpaired("why"), Unpaired("")]


def validation(step: int, pairs: Pairs | None, segment: int = 0) -> ReportedValidation:
    said = None if pairs is None else describe_examples(pairs)
    usual = {"segment": segment, "step": step, "value": 0.5, "decision": {"stop": False, "improved": False}}
    return ReportedValidation.model_validate({**usual, "at": NOW + timedelta(seconds=step), "examples": said})


def read(conn: Connection, run: RunRow) -> dict[tuple[int, int], Pairs]:
    return dict(per_example.read_examples(conn, [run.id], 1).get(run.id, {}))


def count(conn: Connection) -> int:
    return conn.execute(select(func.count()).select_from(ValidationExamplesTable)).scalar_one()


def test_all_kinds_of_examples_come_back_and_none_stay_none(conn: Connection) -> None:
    run, other = submit(conn), submit(conn)
    validations.add_validations(conn, run.pk, [validation(step, pairs) for step, pairs in enumerate([*ALL, None])])
    validations.add_validations(conn, other.pk, [validation(1, LOSSES)])
    assert read(conn, run) == {(0, step): pairs for step, pairs in enumerate(ALL)}
    assert read(conn, other) == {(0, 1): LOSSES}


def test_what_is_said_again_stays_as_it_is(conn: Connection) -> None:
    run = submit(conn)
    validations.add_validations(conn, run.pk, [validation(1, RIGHT), validation(1, LOSSES)])
    validations.add_validations(
        conn, run.pk, [validation(1, LOSSES), validation(1, LOSSES, segment=1), validation(2, RIGHT)]
    )
    assert read(conn, run) == {(0, 1): RIGHT, (1, 1): LOSSES, (0, 2): RIGHT}


def test_they_go_with_their_run(conn: Connection) -> None:
    run, before = submit(conn), count(conn)
    validations.add_validations(conn, run.pk, [validation(1, RIGHT)])
    assert count(conn) == before + 1
    conn.execute(delete(RunTable).where(RunTable.pk == run.pk))
    assert count(conn) == before


def test_what_a_validation_of_five_thousand_examples_costs(conn: Connection) -> None:
    """docs/reference/policies.md says 0.4 kB and 19 kB."""
    run, random = submit(conn), np.random.default_rng(1)
    sure = random.normal(2, 1.5, 5000)
    pairs: list[Pairs] = [Correct.of(sure > 0), Losses.of(np.log1p(np.exp(-sure)))]
    validations.add_validations(conn, run.pk, [validation(step, one) for step, one in enumerate(pairs)])
    sizes = (
        conn.execute(select(func.length(ValidationExamplesTable.data)).where(ValidationExamplesTable.run_pk == run.pk))
        .scalars()
        .all()
    )
    assert 300 < sizes[0] < 420
    assert 17_500 < sizes[1] < 19_500


def test_the_list_of_validations_is_light_without_examples(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = start_external(api)
    said: list[dict[str, Any] | None] = [{"unpaired": "why"}, None, {"correct": {"n": 2, "bits": "Ag=="}}]
    trainer.say(validations=[trainer.report_validation(step, 0.5, examples=one) for step, one in enumerate(said)])
    assert [
        one.get("examples") for one in api.get(f"/runs/{trainer.run}/validations", role=Role.VIEWER)["validations"]
    ] == 3 * [None]
    monkeypatch.setattr(routes, "MAX_WITH_EXAMPLES", 2)
    page = api.get(f"/runs/{trainer.run}/validations?examples=true&limit=100")
    rest = api.get(f"/runs/{trainer.run}/validations?examples=true&limit=100&cursor={page['cursor']}")
    assert (len(page["validations"]), len(rest["validations"]), rest["cursor"]) == (2, 1, None)
    shown = [
        one["examples"] and Examples.model_validate(one["examples"])
        for one in page["validations"] + rest["validations"]
    ]
    assert shown == [one and Examples.model_validate(one) for one in said]


@pytest.mark.parametrize(
    "said", [{}, {"correct": {"n": 9, "bits": "Ag=="}}, {"losses": {"float32": "%%%%"}}, {"right": [True]}]
)
def test_examples_that_make_no_sense_are_refused(api: Api, said: dict[str, Any]) -> None:
    trainer = start_external(api)
    status, error = trainer.refuse(trainer.body(validations=[trainer.report_validation(1, 0.5, examples=said)]))
    assert (status, str(error["field"]).startswith("validations.0.examples")) == (422, True)
