"""What a selector made of a run, in the tracker, on both databases: told at the end, forgotten when it goes on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, CheckpointDurable
from keepbest.contract.overrides import ForkRequest, ResumeRequest
from keepbest.contract.policies import SelectorSpec
from keepbest.contract.workers import Assignment
from keepbest.errors import InvalidInput, NotFound
from keepbest.status import RunState
from tests.support.store import CNN, begin, claim, hello, later, open_segment, release, submit
from tracker.models import AuditEntryTable, EventTable, RunTable
from tracker.store import checkpoints, forks, ingest, resume_point, resumes, retention, runs
from tracker.store.ingest import Delivery

SOUP = {"name": "greedy_soup", "params": {"k": 2}}


def point(step: int, value: float | None, kind: str = "best", **more: Any) -> CheckpointDurable:
    files = {"digest": "a" * 64, "size_bytes": 10, "written_bytes": 10, "location": "store", "at": later(step)}
    said = {"id": new_id(), "segment": 0, "step": step, "kind": kind, "value": value, "n": 100}
    return CheckpointDurable.model_validate({**files, **said, **more})


def train(conn: Connection, *points: CheckpointDurable, **asked: Any) -> Assignment:
    """Let a run tell of checkpoints under its lease, in one batch."""
    submit(conn, **asked)
    taken = claim(conn)
    begin(conn, taken)
    conn.execute(update(RunTable).where(RunTable.id == taken.run.id).values(mode="max"))
    writer = new_id()
    said = Batch(writer=writer, number=1, checkpoints=list(points))
    ingest.take(conn, taken.run.id, taken.lease.token, Delivery(writer, 1, (), said), later(500))
    return taken


def selection(best: CheckpointDurable, made: CheckpointDurable) -> dict[str, Any]:
    return {
        "selector": SOUP, "checkpoint": made.id, "step": made.step, "value": made.value, "made_of": [best.id, made.id],
        "best_checkpoint": best.id, "best_step": best.step, "best_value": best.value, "message": "an average",
        "trials": [{"made_of": [best.id], "value": made.value, "is_kept": True}],
    }  # fmt: skip


VALIDATIONS = {100: 0.8, 200: 0.9, 300: 0.89, 400: 0.7}


@pytest.fixture
def ended(conn: Connection) -> tuple[str, dict[Any, CheckpointDurable]]:
    """A run that ended with an average, which is better than any validation."""
    known: dict[Any, CheckpointDurable] = {step: point(step, value) for step, value in VALIDATIONS.items()}
    known |= {"last": point(500, None, "last"), "made": point(200, 0.95, "selected", at=later(510))}
    taken = train(conn, *known.values(), selector=SOUP)
    release(conn, taken, "finished", selection=selection(known[200], known["made"]))
    return taken.run.id, known


def test_an_average_is_selected_and_never_the_best(conn: Connection, ended: Any) -> None:
    id, known = ended
    run = runs.show_run(runs.get_run(conn, id))
    assert (run.state, run.best_checkpoint) == (RunState.FINISHED, known[200].id)
    assert run.selection is not None
    assert (run.selection.checkpoint, run.selection.value) == (known["made"].id, 0.95)
    shown = {one.id: one for one in checkpoints.list_checkpoints(conn, runs.get_run(conn, id))}
    assert [one.id for one in shown.values() if one.is_selected] == [known["made"].id]
    assert [one.id for one in shown.values() if one.is_best] == [known[200].id]
    assert shown[known["made"].id].n == 100
    assert runs.show_in_list(runs.get_run(conn, id)).selection is None
    found = checkpoints.find_best(conn, runs.get_run(conn, id).pk, "max")
    assert found is not None
    assert found.id == known[200].id


def test_who_follows_the_run_hears_of_it_as_it_ends(conn: Connection, ended: Any) -> None:
    told = (
        conn.execute(select(EventTable.data).where(EventTable.kind == "run.state").order_by(EventTable.seq))
        .scalars()
        .all()
    )
    assert told[-1]["selection"]["value"] == 0.95


def test_nothing_goes_on_from_an_average(conn: Connection, ended: Any) -> None:
    id, known = ended
    run = runs.get_run(conn, id)
    resume = resume_point.find_resume(conn, run)
    assert resume is not None
    assert resume.id == known["last"].id
    assert forks.plan(conn, run, ForkRequest(step=200)).start.id == known[200].id
    with pytest.raises(NotFound, match="it is an average of others"):
        forks.plan(conn, run, ForkRequest(checkpoint=known["made"].id))


def test_retention_keeps_what_was_and_what_may_yet_be_selected(conn: Connection, ended: Any) -> None:
    id, known = ended
    going = [one.id for one in retention.list_superseded(conn, runs.get_run(conn, id))]
    assert going == [known[100].id, known[400].id]  # of 300 and 200 the soup is made, 500 is the last


def test_within_a_standard_error_of_the_best_all_stay(conn: Connection) -> None:
    """SE(0.9) of 100 examples is 0.03."""
    known = {step: point(step, value) for step, value in {100: 0.8, 200: 0.87, 300: 0.88, 400: 0.9, 500: 0.5}.items()}
    taken = train(conn, *known.values(), selector={"name": "one_standard_error"}, retention={"last": 0})
    release(conn, taken, "finished")
    going = [one.step for one in retention.list_superseded(conn, runs.get_run(conn, taken.run.id))]
    assert going == [100, 500]


def test_a_selection_is_forgotten_on_resume_and_stays_in_the_log(conn: Connection, ended: Any) -> None:
    id, known = ended
    run = resumes.resume(conn, runs.get_run(conn, id), ResumeRequest(max_steps=2000), user="ada", now=later(600))
    assert run.selection is None
    assert not any(one.is_selected for one in checkpoints.list_checkpoints(conn, run))
    (told,) = conn.execute(select(AuditEntryTable.detail).where(AuditEntryTable.action == "run.resume")).scalars()
    assert told["selection"]["checkpoint"] == known["made"].id
    taken = claim(conn, now=later(601))
    assert taken.resume is not None
    assert taken.resume.id == known["last"].id
    open_segment(conn, taken, 1, parent=0, start_step=500, reason="resume", now=later(602))
    assert runs.get_run(conn, id).best_checkpoint == known[200].id


def test_every_parameter_is_written_out_the_usual_is_the_best(conn: Connection) -> None:
    assert runs.show_run(submit(conn)).spec.selector == SelectorSpec(name="best")
    settled = runs.show_run(submit(conn, selector={"name": "one_standard_error"})).spec.selector
    assert settled.params == {"z": 1.0, "scale": 1.0}
    old = submit(conn)
    conn.execute(
        update(RunTable)
        .where(RunTable.pk == old.pk)
        .values(spec={k: v for k, v in old.spec.items() if k != "selector"})
    )
    assert runs.show_run(runs.get_run(conn, old.id)).spec.selector.name == "best"
    assert retention.list_superseded(conn, runs.get_run(conn, old.id)) == []


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"selector": {"name": "soup"}}, "selector.name", "There is no selector 'soup'"),
        ({"selector": {"name": "greedy_soup", "params": {"k": 0}}}, "selector.params.k", "at least 2"),
        ({"selector": SOUP, "source": {"kind": "external"}, "mode": "max"}, "selector", "a worker's trainer"),
    ],
)
def test_an_impossible_selector_is_refused_before_the_run(
    conn: Connection, asked: dict[str, Any], field: str, said: str
) -> None:
    hello(conn, recipes=[CNN])
    with pytest.raises(InvalidInput, match=said) as caught:
        submit(conn, **asked)
    assert caught.value.field == field
