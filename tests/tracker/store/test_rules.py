"""Rules of a project: set, in force for its runs, and each run stopped once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from keepbest.contract.batches import ReportedValidation
from keepbest.contract.policies import PolicySpec
from keepbest.contract.rules import MedianRule, RulesRequest
from keepbest.errors import InvalidInput, NotFound
from keepbest.stopping import build
from tests.support.store import NOW, begin, claim, kinds, later, release, submit, submit_external
from tracker.models import EventTable, RunTable
from tracker.store import commands, rule_enforcement, rules, runs, validations
from tracker.store.runs import RunRow

MEDIAN = RulesRequest(median=MedianRule(startup_runs=2))


def put(conn: Connection, asked: RulesRequest, project: str = "default") -> None:
    rules.set_rules(conn, project, asked, user="ada", now=NOW)


def measure(conn: Connection, run: RunRow, *values: float) -> RunRow:
    """Have the validations of a run at 100, 200, … taken."""
    decision = {"stop": False, "improved": True}
    taken = [
        ReportedValidation.model_validate(
            {"segment": 0, "step": 100 * place, "value": value, "decision": decision, "at": later(place)}
        )
        for place, value in enumerate(values, 1)
    ]
    validations.add_validations(conn, run.pk, taken)
    last = 100 * len(values)
    conn.execute(
        update(RunTable)
        .where(RunTable.pk == run.pk)
        .values(step=last, last_validation_step=last, validations=len(values))
    )
    return runs.get_run(conn, run.id)


def finish(conn: Connection, *values: float, **said: Any) -> RunRow:
    submit(conn)
    taken = claim(conn)
    run = measure(conn, begin(conn, taken), *values)
    release(conn, taken, "finished", **said)
    return run


def train(conn: Connection, *values: float) -> RunRow:
    submit(conn)
    return measure(conn, begin(conn, claim(conn)), *values)


def apply(conn: Connection, now: datetime = NOW) -> list[str]:
    """Do what the scheduler's job does; return what the stops say."""
    breaches, judged = rule_enforcement.find_due(conn, now)
    for run in judged:
        rules.note_ruling(conn, run.pk, run.validations)
    for breach in breaches:
        rule_enforcement.stop(conn, breach, now)
    return [asked.message for _, asked in breaches]


def test_rules_are_set_shown_and_told(conn: Connection) -> None:
    submit(conn)
    assert rules.get_rules(conn, "default").set_by is None
    put(conn, RulesRequest(max_steps=7))
    put(conn, MEDIAN)
    shown = rules.get_rules(conn, "default")
    assert (shown.median, shown.max_steps, shown.set_by, shown.set_at) == (MEDIAN.median, None, "ada", NOW)
    assert kinds(conn).count("project.rules") == 2
    assert set(conn.execute(select(EventTable.project).where(EventTable.kind == "project.rules")).scalars()) == {
        "default"
    }


def test_rules_of_an_unknown_project(conn: Connection) -> None:
    with pytest.raises(NotFound):
        put(conn, MEDIAN, "nowhere")


def test_a_stopper_that_there_is_not_is_refused(conn: Connection) -> None:
    submit(conn)
    with pytest.raises(InvalidInput, match="patiense"):
        put(conn, RulesRequest(stopper=PolicySpec(name="patiense")))


def test_a_run_below_the_median_is_stopped_once_with_the_numbers(conn: Connection) -> None:
    finish(conn, 0.8, 0.9)
    finish(conn, 0.7, 0.7)
    put(conn, MEDIAN)
    run = train(conn, 0.7, 0.71)
    assert apply(conn) == ["0.71 at step 200 is below the median 0.775 of 2 runs (rule of project default)"]
    (command,) = commands.list_commands(conn, run.pk)
    assert (command.kind, command.requested_by, command.arguments["reason"]) == (
        "stop",
        rule_enforcement.RULES,
        "peers",
    )
    measure(conn, run, 0.1, 0.1, 0.1)
    assert apply(conn) == []


def test_validations_that_are_not_admitted_are_nobodys_values(conn: Connection) -> None:
    """The accuracy of a network that became NaN is the share of class 0: no run is stopped for being worse."""
    run = train(conn, 0.5)
    said = {"segment": 0, "at": later(2), "decision": {"stop": False, "improved": False, "is_admitted": False}}
    validations.add_validations(conn, run.pk, [ReportedValidation.model_validate({"step": 200, "value": 0.9, **said})])
    assert rules.read_values(conn, [run.pk], 1000) == {run.pk: [(100, 0.5)]}


def test_validations_are_judged_once_and_new_ones_again(conn: Connection) -> None:
    finish(conn, 0.8, 0.9)
    finish(conn, 0.7, 0.7)
    put(conn, MEDIAN)
    run = train(conn, 0.75)
    assert apply(conn) == []
    assert rule_enforcement.find_due(conn, NOW) == ([], [])
    measure(conn, run, 0.75, 0.75)
    assert len(apply(conn)) == 1


def test_only_finished_runs_of_the_same_metric_are_others(conn: Connection) -> None:
    finish(conn, 0.8)
    submit(conn, monitor="val_loss")
    taken = claim(conn)
    measure(conn, begin(conn, taken), 0.9)
    release(conn, taken, "finished")
    train(conn, 0.9)
    put(conn, MEDIAN)
    train(conn, 0.1)
    assert apply(conn) == []


@pytest.mark.parametrize("reason", ["peers", "successive_halving"])
@pytest.mark.parametrize(("form", "stops"), [("vizier", 1), ("optuna", 0)])
def test_runs_that_ended_worse_count_in_viziers_form_only(conn: Connection, form: Any, stops: int, reason: str) -> None:
    finish(conn, 0.8)
    finish(conn, 0.8, stop_reason=reason)
    put(conn, RulesRequest(median=MedianRule(form=form, startup_runs=2)))
    train(conn, 0.1)
    assert len(apply(conn)) == stops


def test_budgets_hold_for_a_script_of_a_user(conn: Connection) -> None:
    run = submit_external(conn)
    begin(conn, claim(conn, run=run.id))
    put(conn, RulesRequest(max_steps=1000, max_seconds=60))
    assert apply(conn, later(59)) == []
    assert apply(conn, later(60)) == ["60 s of at most 60 s (rule of project default)"]
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(step=1000))
    assert apply(conn, later(70)) == []


def test_a_budget_of_steps(conn: Connection) -> None:
    train(conn, 0.5, 0.5)
    put(conn, RulesRequest(max_steps=200))
    assert apply(conn) == ["Step 200 of at most 200 (rule of project default)"]


def test_rules_of_another_project_do_nothing(conn: Connection) -> None:
    train(conn, 0.5)
    submit(conn, project="other")
    put(conn, RulesRequest(max_steps=1), "other")
    assert apply(conn) == []


def test_a_run_without_a_stopper_gets_the_projects(conn: Connection) -> None:
    submit(conn, project="p")
    usual = PolicySpec(name="patience", params={"checks": 3})
    put(conn, RulesRequest(stopper=usual), "p")
    given = {"name": "patience", "params": {"steps": 700}}
    assert submit(conn, project="p").spec["stopper"]["params"]["checks"] == 3
    assert submit(conn, project="p", stopper=given).spec["stopper"]["params"]["steps"] == 700
    own = submit_external(conn, project="p").spec["stopper"]
    assert build(own, "min").name == "any_of"
