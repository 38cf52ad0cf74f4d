"""`replay`: shows what other policies would have done with recorded runs."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from keepbest.cli.common.formatting import at_step, clean
from keepbest.cli.common.options import AsJson, GetsBetter, ProjectName, Yes
from keepbest.cli.common.output import print_json, print_table, say, warn
from keepbest.cli.runs.replay_tables import many_runs, one_run
from keepbest.cli.service.rules import apply_recommended
from keepbest.client.client import Client
from keepbest.contract.replays import Replay, ReplayRequest
from keepbest.errors import InvalidInput

Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Ids of runs, or their first letters.")]
Stops = Annotated[
    list[str] | None, typer.Option("--stop", help="A policy to try; repeatable. Without one a ladder of patience.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Make the recommended policy the default of the project.")]
Tolerate = Annotated[float, typer.Option(min=0, help="Loss of value that the recommended policy may have.")]
Logs = Annotated[
    Path | None, typer.Option("--tensorboard", metavar="LOGDIR", help="Replay TensorBoard's logs: without a service.")
]
Monitor = Annotated[
    str | None, typer.Option(help="The metric of the logs that was watched.", show_default="guessed by its name")
]


def replay(
    runs: Runs = None,
    stop: Stops = None,
    project: ProjectName = None,
    tolerate: Tolerate = 0.0,
    tensorboard: Logs = None,
    monitor: Monitor = None,
    mode: GetsBetter = None,
    apply: Apply = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say what other policies would have saved and lost. Trains nothing; only --apply changes something."""
    if tensorboard is not None:
        if runs or project is not None or apply:
            raise InvalidInput("--tensorboard replays logs: it goes with no run, no --project and no --apply.")
        from keepbest.cli.runs.replay_logs import replay_logs  # NumPy, which a replay by the tracker can do without

        return replay_logs(tensorboard, stop, monitor, mode, tolerate, as_json=as_json)
    if not runs and project is None:
        raise InvalidInput(
            "replay needs a run or a project.",
            field="run",
            hint="keepbest replay RUN, or --project NAME",
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
        print_table(one_run(result.policies, result.recommended))
        for policy in result.policies:
            if policy.outcomes[0].status == "inconclusive":
                warn(f"{policy.stopper}: {policy.outcomes[0].message}")
    else:
        say(f"{len(result.runs)} runs that watch {result.monitor}\n")
        print_table(many_runs(result.policies, result.recommended))
    say()
