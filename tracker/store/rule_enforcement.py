"""Enforces the rules of projects: finds each running run that breaks a rule, and sends it one stop command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from keepbest.contract.commands import RuleStop
from keepbest.contract.rules import MedianRule, ProjectRules
from keepbest.figures import figure
from keepbest.status import StopReason
from keepbest.stopping.median import MedianComparison, judge_by_median
from keepbest.stopping.validation import Mode
from tracker.store import commands, rules, runs

#: The user of a stop command that a rule sends.
RULES = "project rules"
Breach = tuple[Row[Any], RuleStop]


def find_due(conn: Connection, now: datetime) -> tuple[list[Breach], list[Row[Any]]]:
    """Judge the running runs of projects with rules; return the breaches, and the runs judged without one."""
    breaches, judged = [], []
    for rule in rules.list_acting(conn):
        for run in rules.list_living(conn, rule.project):
            stop = judge(conn, run, rule, now)
            if stop is not None:
                breaches.append((run, stop))
            elif run.validations != run.judged:
                judged.append(run)
    return breaches, judged


def judge(conn: Connection, run: Row[Any], rule: ProjectRules, now: datetime) -> RuleStop | None:
    """Return the stop command for a run that breaks a rule of its project, or None."""
    pair = next(_break_budgets(run, rule, now), None)
    if pair is None and rule.median is not None and run.validations != run.judged and run.mode in ("min", "max"):
        pair = _break_median(conn, run, rule.median)
    return pair and RuleStop(reason=pair[0], message=f"{pair[1]} (rule of project {rule.project})")


def stop(conn: Connection, breach: Breach, now: datetime) -> None:
    """Send a run its stop command once; raises Conflict where nobody trains the run any more."""
    run, rule_stop = breach
    row = runs.get_run(conn, run.id, lock=True)
    command = commands.request_command(conn, row, rule_stop, user=RULES, now=now)
    rules.note_ruling(conn, run.pk, run.validations, command.id)


def _break_budgets(run: Row[Any], rule: ProjectRules, now: datetime) -> Iterator[tuple[StopReason, str]]:
    if rule.max_steps is not None and (run.step or 0) >= rule.max_steps:
        yield StopReason.MAX_STEPS, f"Step {run.step:,} of at most {rule.max_steps:,}"
    seconds = (now - run.started_at).total_seconds() if run.started_at else 0.0
    if rule.max_seconds is not None and seconds >= rule.max_seconds:
        yield StopReason.MAX_SECONDS, f"{seconds:,.0f} s of at most {rule.max_seconds:,.0f} s"


def _break_median(conn: Connection, run: Row[Any], rule: MedianRule) -> tuple[StopReason, str] | None:
    others = rules.find_others(conn, run, count_stopped=rule.form == "vizier")
    step = run.last_validation_step
    if step is None or step < rule.start_from or len(others) < rule.startup_runs:
        return None
    values = rules.read_values(conn, [run.pk, *others], step)
    own = values.pop(run.pk)
    mode: Mode = "min" if run.mode == "min" else "max"
    median_comparison = judge_by_median(own, list(values.values()), mode, **rule.model_dump())
    return (StopReason.PEERS, _explain(median_comparison, mode)) if median_comparison.stop else None


def _explain(compared: MedianComparison, mode: Mode) -> str:
    if compared.best is None or compared.median is None:
        return f"No value up to step {compared.step:,} is a number"
    side = "below" if mode == "max" else "above"
    runs = "1 run" if compared.runs == 1 else f"{compared.runs} runs"
    return f"{figure(compared.best)} at step {compared.step:,} is {side} the median {figure(compared.median)} of {runs}"
