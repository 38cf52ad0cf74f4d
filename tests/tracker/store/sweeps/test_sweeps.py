"""Sweeps in the tables: checked before any run exists, given each try once, ended with all their runs."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from keepbest.contract.overrides import ResumeRequest
from keepbest.contract.policies import PolicySpec
from keepbest.contract.rules import RulesRequest
from keepbest.contract.runs import RunSpec
from keepbest.contract.sweeps import Sweep, SweepRequest, SweepState
from keepbest.errors import Conflict, InvalidInput, NotFound
from tests.support.store import NOW, add_checkpoint, begin, claim, hello, kinds, later, release
from tracker.models import RunTable
from tracker.store import bundles, deletions, resumes, rules, runs
from tracker.store.access import audit
from tracker.store.sweeps import due, sweeps
from tracker.store.sweeps.sweeps import SweepRow

RATES = {"learning_rate": {"kind": "choices", "values": [0.1, 0.01, 0.001]}}
RANGE = {"kind": "uniform", "low": 1.0, "high": 9.0}


def ask(conn: Connection, key: str | None = None, **said: Any) -> Sweep:
    hello(conn)
    run = {"source": {"kind": "recipe", "name": "hvass-cnn"}, **said.pop("run", {})}
    asked = SweepRequest.model_validate({"run": run, "space": RATES, "search": "grid", **said})
    return sweeps.create(conn, asked, user="ada", key=key, now=NOW)


def row_of(conn: Connection, sweep: Sweep) -> SweepRow:
    return sweeps.get_sweep(conn, sweep.id)


def add(conn: Connection, sweep: Sweep, number: int, **parameters: Any) -> RunSpec:
    run = sweeps.add_run(conn, sweep.id, number, parameters or {"learning_rate": 0.1}, later(number))
    return RunSpec.model_validate(runs.get_run(conn, run).spec)


def finish(conn: Connection, run: str, value: float | None) -> None:
    taken = claim(conn)
    assert taken.run.id == run
    begin(conn, taken)
    conn.execute(update(RunTable).where(RunTable.id == run).values(best_value=value, best_step=100, validations=1))
    release(conn, taken, "finished" if value is not None else "failed")


def test_a_sweep_is_what_was_asked_with_every_gap_filled(conn: Connection) -> None:
    made = ask(conn, run={"name": "rates", "project": "nets"})
    assert (made.state, made.runs, made.at_once, made.counts.made, made.best) == ("running", 3, 1, 0, None)
    assert (made.name, made.project, made.source) == ("rates", "nets", "hvass-cnn")
    assert (made.monitor, made.mode) == ("val_accuracy", "max")
    assert kinds(conn)[-1] == "sweep.created"
    assert row_of(conn, made).spec["run"]["stopper"]["name"] == "patience"


def test_sent_again_under_its_key_it_is_the_same(conn: Connection) -> None:
    assert ask(conn, "once").id == ask(conn, "once").id
    with pytest.raises(Conflict):
        ask(conn, "once", seed=7)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"space": {"rate": RANGE}, "search": "tpe"}, "space.rate", "no parameter 'rate'"),
    ({"space": {"units": RANGE}, "search": "tpe"}, "space.units", "whole number, but got 4.05"),
    ({"space": {"units": {"kind": "choices", "values": [8, "x"]}}}, "space.units", "got 'x'"),
    ({"space": {"learning_rate": RANGE}}, "space.learning_rate", "infinitely many"),
    ({"run": {"parameters": {"learning_rate": 0.1}}}, "space.learning_rate", "both set and tried"),
    ({"run": {"parameters": {"unit": 1}}}, "run.parameters.unit", "no parameter 'unit'"),
    ({"run": {"monitor": "loss"}}, "run.monitor", "measures no 'loss'"),
    ({"run": {"source": {"kind": "external"}}}, "run.source", "Workers train"),
    ({"run": {"source": {"kind": "recipe", "name": "hvas"}}}, "run.source.name", "no recipe"),
    (
        {"space": {name: {"kind": "int", "low": 1, "high": 200} for name in ("units", "extra")}},
        "space",
        "40,000 combinations",
    ),
]


@pytest.mark.parametrize(("said", "field", "message"), WRONG)
def test_what_is_wrong_is_refused_before_any_run(
    conn: Connection, said: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        ask(conn, **said)
    assert raised.value.field == field


def test_a_try_is_a_run_that_names_it(conn: Connection) -> None:
    sweep = ask(conn, run={"name": "rates", "parameters": {"units": 8}, "seed": 5})
    spec = add(conn, sweep, 1, learning_rate=0.01)
    assert spec.trial is not None
    assert (spec.trial.sweep, spec.trial.number) == (sweep.id, 1)
    assert (spec.name, spec.seed, spec.parameters["learning_rate"], spec.parameters["units"]) == ("rates-1", 5, 0.01, 8)
    (shown,) = sweeps.list_runs(conn, row_of(conn, sweep)).runs
    assert (shown.number, shown.parameters, shown.state) == (1, {"learning_rate": 0.01}, "queued")


@pytest.mark.parametrize("number", [1, 3])
def test_a_try_is_made_once_and_in_its_turn(conn: Connection, number: int) -> None:
    sweep = ask(conn)
    add(conn, sweep, 1)
    with pytest.raises(Conflict):
        add(conn, sweep, number)
    assert len(conn.execute(select(RunTable.pk)).all()) == 1


def test_a_rule_that_changes_meanwhile_makes_no_two_kinds_of_run(conn: Connection) -> None:
    sweep = ask(conn)
    first = add(conn, sweep, 1)
    new = PolicySpec(name="patience", params={"checks": 1})
    rules.set_rules(conn, "default", RulesRequest(stopper=new), user="ada", now=NOW)
    assert add(conn, sweep, 2).stopper == first.stopper


def test_the_best_and_the_counts_are_read_from_the_runs(conn: Connection) -> None:
    sweep = ask(conn, at_once=3)
    made = [sweeps.add_run(conn, sweep.id, n, {"learning_rate": rate}, NOW) for n, rate in enumerate((1, 2, 3), 1)]
    for run, value in zip(made, (0.5, 0.9, None), strict=True):
        finish(conn, run, value)
    known = sweeps.show(conn, [row_of(conn, sweep)])[0]
    assert known.counts.model_dump(exclude_defaults=True) == {"made": 3, "finished": 2, "failed": 1}
    assert known.best is not None
    assert (known.best.run, known.best.parameters) == (made[1], {"learning_rate": 2})
    deletions.delete_run(conn, runs.get_run(conn, made[1]), user="ada", now=NOW)
    known = sweeps.show(conn, [row_of(conn, sweep)])[0]
    assert (known.counts.made, known.counts.finished, known.best and known.best.run) == (3, 1, made[0])


SOUP = {"name": "greedy_soup", "params": {"k": 2}}


def select_one(conn: Connection, run: str, best: float, selected: float | None, reason: str = "patience") -> None:
    """Let a run end with a best, and with another model that its selector chose out of three averages."""
    taken = claim(conn)
    assert taken.run.id == run
    begin(conn, taken)
    conn.execute(update(RunTable).where(RunTable.id == run).values(best_value=best, best_step=100, validations=4))
    made = {
        "selector": SOUP, "checkpoint": "0" * 12, "step": 60, "value": selected, "made_of": ["1" * 12, "2" * 12],
        "best_checkpoint": "1" * 12, "best_step": 100, "best_value": best,
        "trials": [{"made_of": ["1" * 12], "value": None, "is_kept": False}] * 3,
    }  # fmt: skip
    release(conn, taken, "finished", stop_reason=reason, selection=made if selected is not None else None)


#: Of each run its best and what was selected; then which is the best of a sweep, by what a restore gives.
COMPARED: list[tuple[str, list[tuple[float, float | None]], int]] = [
    ("max", [(0.9, 0.91), (0.8, 0.95), (0.94, None)], 2),
    ("max", [(0.9, 0.85), (0.88, 0.87), (0.86, None)], 2),  # of one standard error: worse than their bests
    ("max", [(0.9, 0.9), (0.9, 0.9), (0.9, None)], 1),
    ("min", [(0.9, 0.91), (0.95, 0.8), (0.84, None)], 2),
    ("min", [(0.9, 0.91), (0.95, 0.86), (0.84, None)], 3),
]


@pytest.mark.parametrize(("mode", "values", "best"), COMPARED)
def test_runs_are_compared_by_what_a_restore_gives(
    conn: Connection, mode: str, values: list[tuple[float, float | None]], best: int
) -> None:
    """Bug: a sweep compared its runs by their best validations, also where their selectors chose other models."""
    sweep = ask(conn, run={"selector": SOUP, "mode": mode})
    for number, (value, selected) in enumerate(values, 1):
        select_one(conn, sweeps.add_run(conn, sweep.id, number, {"learning_rate": 0.1}, NOW), value, selected)
    known = sweeps.list_runs(conn, row_of(conn, sweep))
    assert known.sweep.best is not None
    assert known.sweep.best.number == best
    assert [(run.best_value, run.selected_value) for run in known.runs] == values
    assert [run.averages_tried for run in known.runs] == [3, 3, 0]
    first, last = known.runs[0], known.runs[-1]
    assert (first.selected_step, first.value_step, first.value) == (60, 60, values[0][1])
    assert (last.selected_step, last.value_step, last.value) == (None, 100, values[-1][0])
    assert known.sweep.selector is not None
    assert known.sweep.selector.model_dump() == SOUP


def test_a_run_that_goes_on_is_compared_by_its_best_again(conn: Connection) -> None:
    sweep = ask(conn, run={"selector": SOUP})
    made = [sweeps.add_run(conn, sweep.id, number, {"learning_rate": 0.1}, NOW) for number in (1, 2)]
    for run, value in zip(made, (0.8, 0.9), strict=True):
        select_one(conn, run, value, 1 - value / 10)
    assert best_of(conn, sweep) == (made[0], 0.92)
    add_checkpoint(conn, runs.get_run(conn, made[0]), step=100)
    resumes.resume(conn, runs.get_run(conn, made[0]), ResumeRequest(), user="ada", now=later(9))
    assert best_of(conn, sweep) == (made[1], 0.91)
    first = sweeps.list_runs(conn, row_of(conn, sweep)).runs[0]
    assert (first.value, first.selected_value, first.selected_step, first.averages_tried) == (0.8, None, None, 0)


def best_of(conn: Connection, sweep: Sweep) -> tuple[str, float | None] | None:
    best = sweeps.show(conn, [row_of(conn, sweep)])[0].best
    return (best.run, best.value) if best is not None else None


def test_a_run_not_promoted_is_the_best_only_without_another(conn: Connection) -> None:
    """What a cautious selector chose is worse than the raw value by which its run won at the rungs."""
    sweep = ask(conn, run={"selector": {"name": "one_standard_error"}})
    made = [sweeps.add_run(conn, sweep.id, number, {"learning_rate": 0.1}, NOW) for number in (1, 2)]
    select_one(conn, made[0], 0.9, None, reason="successive_halving")
    assert best_of(conn, sweep) == (made[0], 0.9)
    select_one(conn, made[1], 0.92, 0.88)
    assert best_of(conn, sweep) == (made[1], 0.88)


def test_the_usual_selector_is_not_named(conn: Connection) -> None:
    assert ask(conn).selector is None
    assert ask(conn, run={"selector": {"name": "best"}}).selector is None


def test_a_sweep_is_due_while_runs_lack_and_when_all_ended(conn: Connection) -> None:
    sweep = ask(conn, runs=1)
    assert [one.id for one in due.list_due(conn)] == [sweep.id]
    add(conn, sweep, 1)
    assert due.list_due(conn) == []
    (run,) = conn.execute(select(RunTable.id)).scalars()
    finish(conn, run, 0.5)
    assert [one.id for one in due.list_due(conn)] == [sweep.id]
    sweeps.end(conn, row_of(conn, sweep), SweepState.FINISHED, NOW)
    assert due.list_due(conn) == []
    assert kinds(conn)[-1] == "sweep.state"


def test_cancelled_it_ends_with_its_runs_and_makes_no_more(conn: Connection) -> None:
    sweep = ask(conn, at_once=2)
    for number in (1, 2):
        add(conn, sweep, number)
    begin(conn, claim(conn))
    for _ in range(2):
        row = sweeps.cancel(conn, sweeps.get_sweep(conn, sweep.id, lock=True), user="ada", now=later(5))
    assert (row.state, row.message, row.ended_at) == ("cancelled", "cancelled by ada", later(5))
    known = sweeps.list_runs(conn, row)
    assert sorted(run.state for run in known.runs) == ["cancelled", "running"]
    assert kinds(conn).count("command.state") == 2  # one done at once, one for the trainer to obey
    with pytest.raises(Conflict):
        add(conn, sweep, 3)


def test_pages_are_newest_first_and_of_one_project(conn: Connection) -> None:
    made = [ask(conn, run={"project": project}).id for project in ("a", "b", "a")]
    page = sweeps.list_sweeps(conn, project=None, state=None, cursor=None, limit=2)
    assert ([one.id for one in page.sweeps], page.total) == (made[:0:-1], 3)
    rest = sweeps.list_sweeps(conn, project=None, state=None, cursor=page.cursor, limit=2)
    assert ([one.id for one in rest.sweeps], rest.cursor) == (made[:1], None)
    only = sweeps.list_sweeps(conn, project="b", state=SweepState.RUNNING, cursor=None, limit=2)
    assert [one.id for one in only.sweeps] == made[1:2]
    assert sweeps.list_sweeps(conn, project="a", state=SweepState.FAILED, cursor=None, limit=2).sweeps == []


@pytest.mark.parametrize("reference", ["zzzzzzzzzzzz", "ab", "", "ILOU", "0" * 40])
def test_a_sweep_that_is_not_there(conn: Connection, reference: str) -> None:
    with pytest.raises(NotFound):
        sweeps.get_sweep(conn, reference)


def test_the_words_of_a_command_hold_the_parameters(conn: Connection, command: dict[str, Any]) -> None:
    space = {"rate": RANGE, "kind": {"kind": "choices", "values": ["{rate}"]}}
    sweep = ask(conn, run={"source": command}, space=space, search="random")
    spec = add(conn, sweep, 1, rate=0.5, kind="{rate}")
    assert getattr(spec.source, "argv", None) == ["python", "train.py", "--rate=0.5", "{rate}"]
    assert getattr(spec.source, "fixed", None) == []
    stopper = {"name": "successive_halving", "params": {"min_steps": 100}}
    with pytest.raises(InvalidInput, match="A command does not pause at rungs"):
        ask(conn, run={"source": command, "stopper": stopper}, space=space, search="random")
    with pytest.raises(InvalidInput, match=r"not contain \{units\}") as raised:
        ask(conn, run={"source": command}, space={"units": RANGE}, search="random")
    assert raised.value.field == "space.units"


@pytest.fixture
def command(conn: Connection) -> dict[str, Any]:
    """The source of a command whose bundle is here."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train.py", "print()")
    kept = bundles.add_bundle(conn, bundles.check(content.getvalue()), user="ada", now=NOW)
    return {"kind": "command", "bundle": kept.digest, "argv": ["python", "train.py", "--rate={rate}", "{kind}"]}


def test_what_was_done_is_in_the_audit_log(conn: Connection) -> None:
    sweep = ask(conn)
    sweeps.cancel(conn, row_of(conn, sweep), user="bob", now=NOW)
    found = [(one.user, one.action) for one in audit.list_entries(conn, before=None, limit=9)]
    assert {("ada", "sweep.create"), ("bob", "sweep.cancel")} <= set(found)
