"""`replay`: shows what other policies would have done with recorded runs."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from keepbest.cli.common.formatting import at_step, clean, number, whole
from keepbest.cli.common.options import AsJson, ProjectName, Yes
from keepbest.cli.common.output import Table, print_json, print_table, say, warn
from keepbest.cli.service.rules import apply_recommended
from keepbest.client.client import Client
from keepbest.contract.replays import Replay, ReplayedPolicy, ReplayOutcome, ReplayRequest
from keepbest.errors import InvalidInput
from keepbest.figures import duration
from keepbest.stopping.comparison import say_share

Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Ids of runs, or their first letters.")]
Stops = Annotated[
    list[str] | None, typer.Option("--stop", help="A policy to try; repeatable. Without one a ladder of patience.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Make the recommended policy the default of the project.")]
Tolerate = Annotated[float, typer.Option(min=0, help="Loss of value that the recommended policy may have.")]


def replay(
    runs: Runs = None,
    stop: Stops = None,
    project: ProjectName = None,
    tolerate: Tolerate = 0.0,
    apply: Apply = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say what other policies would have saved and lost. Trains nothing; only --apply changes something."""
    if not runs and project is None:
        raise InvalidInput(
            "replay needs a run or a project.", field="run", hint="keepbest replay RUN, or --project NAME"
        )
    request = ReplayRequest.model_validate(
        {"runs": runs or [], "project": project, "stoppers": stop or [], "tolerate": tolerate}
    )
    with Client() as client:
        result = client.replay(request)
        for run in result.left_out:
            warn(f"Left out: {run.id} ({clean(run.name)}). {run.message}")
        print_json(result) if as_json else _tell(result)
        if apply:
            warn(apply_recommended(client, result, yes=yes))


def _tell(result: Replay) -> None:
    if result.runs:
        _show(result)
    say(result.message)
    if result.recommended is not None:
        say(f"keepbest submit … --stop {quote(result.policies[result.recommended].stopper)}")


def _show(result: Replay) -> None:
    if len(result.runs) == 1:
        run = result.runs[0]
        best = at_step(run.best_value, run.best_step)
        many = f"{run.validations:,} validations up to step {run.end_step:,}"
        say(f"{run.name} #{run.number}: {result.monitor} {best}, {many}")
        if run.own_stop is not None:
            say(f"Its policies in the shadow would have ended it at {run.own_stop:,}: savings count from there.")
        say()
        print_table(one_run(result))
        for policy in result.policies:
            if policy.outcomes[0].status == "inconclusive":
                warn(f"{policy.stopper}: {policy.outcomes[0].message}")
    else:
        say(f"{len(result.runs)} runs that watch {result.monitor}\n")
        print_table(many_runs(result))
    say()


def one_run(result: Replay) -> Table:
    """Return a table with a row for each policy: where it stops, and what it saves and loses."""
    heads = ("policy", "", ">stops at", "best @ step", ">steps saved", ">time saved", ">lost (examples)", "checkpoint")
    table = Table(heads)
    for place, policy in enumerate(result.policies):
        outcome = policy.outcomes[0]
        stop = whole(outcome.stop_step) if outcome.status == "stopped" else outcome.status
        best = at_step(outcome.best_value, outcome.best_step)
        time = "-" if outcome.seconds_saved is None else duration(outcome.seconds_saved)
        saved = (_steps(outcome), time, _lost(outcome), _checkpoint(outcome))
        table.add(policy.stopper, _mark(place, policy, result), stop, best, *saved)
    return table


def many_runs(result: Replay) -> Table:
    """Return a table with a row for each policy: its median saving, and its loss at the 90th percentile."""
    heads = ("policy", "", ">keeps the best", ">saves (median)", ">steps", ">loses (90 %)", ">censored", ">unknown")
    table = Table(heads)
    for place, policy in enumerate(result.policies):
        row = policy.summary
        kept = f"{row.kept_best} of {row.stopped}"
        steps = "-" if row.steps_saved is None else f"{row.steps_saved:,.0f}"
        counts = (_share_of(row.censored, row.runs), str(row.inconclusive))
        table.add(
            policy.stopper,
            _mark(place, policy, result),
            kept,
            _percent(row.share_saved),
            steps,
            number(row.lost),
            *counts,
        )
    return table


def _mark(place: int, policy: ReplayedPolicy, result: Replay) -> str:
    """Return `best` for the recommended policy, `front` for a policy on the Pareto front."""
    return "best" if place == result.recommended else ("front" if policy.on_front else "")


def _steps(outcome: ReplayOutcome) -> str:
    return "-" if outcome.steps_saved is None else f"{outcome.steps_saved:,} ({_percent(outcome.share_saved)})"


def _share_of(count: int, whole: int) -> str:
    return f"{count} ({_percent(count / whole)})" if count else "0"


def _percent(share: float | None) -> str:
    return "-" if share is None else say_share(share)


def _lost(outcome: ReplayOutcome) -> str:
    if outcome.value_lost is None:
        return "all" if outcome.status == "stopped" else "-"
    if outcome.value_lost == 0:
        return "nothing"
    examples = "" if outcome.examples_lost is None else f" ({outcome.examples_lost:,})"
    return f"{number(outcome.value_lost)}{examples}"


def _checkpoint(outcome: ReplayOutcome) -> str:
    if outcome.has_checkpoint is None:
        return "-"
    if outcome.has_checkpoint:
        return "kept"
    near = outcome.nearest_checkpoint
    return "none" if near is None else f"nearest {near:,}"
