"""`show`, `rm`: one run as facts, and its end."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Annotated

import typer

from keepbest.cli.common.formatting import (
    age,
    at_step,
    changes,
    clean,
    counted,
    failed_attempts,
    number,
    say_selection,
    whole,
)
from keepbest.cli.common.options import AsJson, RunId, Yes
from keepbest.cli.common.output import print_facts, print_json, say, warn
from keepbest.cli.runs.decisions import show_validations
from keepbest.cli.runs.each import act_on_each
from keepbest.cli.runs.follow import RunFollower
from keepbest.cli.runs.origin import list_origin
from keepbest.client.client import Client
from keepbest.contract.runs import CodeSource, CommandSource, RecipeSource, Run, RunSpec, TestResult
from keepbest.errors import InvalidInput
from keepbest.figures import duration, figure, size
from keepbest.outlook import describe_outlook
from keepbest.stopping import render

#: Characters of a command that are shown.
MAX_SHOWN = 200


def show(
    run: RunId,
    validations: Annotated[bool, typer.Option("--validations", help="Every validation with its decision.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one run: what was asked, where it is, how it ended."""
    with Client() as client:
        result = client.run(run)
        if validations:
            ledger = RunFollower(client, result.id, with_validations=True).read().validations
        else:
            more = [] if as_json else [*_list_changes(client, result), *_list_tests(client, result)]
    if validations:
        show_validations(result.spec.monitor, ledger, as_json)
    elif as_json:
        print_json(result)
    else:
        known = [*facts(result, datetime.now(UTC)), *list_origin(result), *more]
        print_facts(f"{result.name}  #{result.number} in {result.project}", known)
        if result.error and result.error.traceback:
            say("\n" + result.error.traceback)


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their first letters.")],
    yes: Yes = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring deleted runs back.")] = False,
) -> int:
    """Delete runs that have ended, with their history; --undo brings them back while the trash holds their files."""
    with Client() as client:
        if undo:
            return act_on_each(runs, lambda run: _undelete(client, run))[1]
        result = [client.run(run) for run in runs]
        living = [run.id for run in result if not run.state.is_final]
        if living:
            raise InvalidInput(
                f"Still going on: {', '.join(living)}.", field="run", hint=f"keepbest cancel {living[0]}"
            )
        if not yes:
            names = ", ".join(f"{run.id} ({clean(run.name)})" for run in result)
            typer.confirm(f"Delete {names}?", abort=True)
        deleted, status = act_on_each((run.id for run in result), lambda run: _delete(client, run))
        if deleted:
            warn(f"For a day this brings it back: keepbest rm {' '.join(deleted)} --undo")
    return status


def _delete(client: Client, run: str) -> str:
    client.delete_run(run)
    say(f"Deleted {run}.")
    return run


def _undelete(client: Client, run: str) -> None:
    """Bring a run back, and say what is missing."""
    undeleted = client.undelete_run(run)
    counts = f"{counted(len(undeleted.back), 'checkpoint')} and {counted(undeleted.artifacts, 'artifact')}"
    say(f"{undeleted.run.id} ({undeleted.run.name}) is back, with {counts}.")
    if undeleted.gone:
        warn(f"Gone for good: {', '.join(undeleted.gone)}.")
    if undeleted.lost_artifacts:
        warn(f"Gone for good: {counted(undeleted.lost_artifacts, 'artifact')}.")


def _list_changes(client: Client, run: Run) -> list[tuple[str, str]]:
    """Return what was changed at the run's jumps, where there were any."""
    jumped = (
        [segment for segment in client.segments(run.id).segments if segment.overrides]
        if run.segment is not None
        else []
    )
    return [
        (f"since {segment.start_step:,}", f"{segment.reason.replace('_', ' ')}: {changes(segment.overrides)}")
        for segment in jumped
    ]


def _list_tests(client: Client, run: Run) -> list[tuple[str, str]]:
    """Return what the test set said at earlier ends of the run: what it says now is not its first word."""
    known = client.test_results(run.id).test_results if run.attempt else []
    before = known if run.test is None else known[:-1]
    return [
        ("tested before", f"{_test_of(test_result)} ({test_result.at:%Y-%m-%d %H:%M} UTC)") for test_result in before
    ]


def state_of(run: Run) -> str:
    more = run.stop_reason.value if run.stop_reason else "stalled" if run.stalled_since else None
    return f"{run.state.value} ({more})" if more else run.state.value


def _archive_of(run: Run) -> str:
    """Say who made a run that came in an archive, and who brought it."""
    came = run.imported_from
    if came is None:
        return ""
    return f"{came.author}, #{came.number} there; {run.created_by} brought it ({came.at:%Y-%m-%d %H:%M} UTC)"


def patience_of(run: Run) -> str:
    if run.patience_left is None or run.state.is_final:
        return "-"
    return f"{run.patience_left:,} {run.patience_unit or ''}".strip()


def facts(run: Run, now: datetime) -> list[tuple[str, str]]:
    """Names and values, in the order a person asks for them."""
    spec = run.spec
    error = f"{run.error.code}: {run.error.message}" if run.error else ""
    return [
        ("id", run.id),
        ("state", state_of(run)),
        ("why", run.stop_message or ""),
        ("stalled", f"no sign of life; said at {run.stalled_since:%H:%M:%S} UTC" if run.stalled_since else ""),
        ("warning", run.warning or ""),
        ("error", error),
        ("next", (run.error.hint or "") if run.error else ""),
        ("best", f"{spec.monitor} {at_step(run.best_value, run.best_step)}" if run.best_step is not None else ""),
        ("checkpoint", run.best_checkpoint or ""),
        ("selected", _selected_of(run)),
        ("last validation", at_step(run.last_value, run.last_validation_step)),
        ("step", f"{whole(run.step)} of {run.steps_at_most:,}" if run.steps_at_most else whole(run.step)),
        ("patience left", patience_of(run)),
        ("ends", describe_outlook(run)),
        ("validations", str(run.validations)),
        ("in memory", _memory_of(run)),
        ("test", _test_of(run.test)),
        ("trains", source_of(spec)),
        ("forked from", _origin_of(spec)),
        ("came from", _archive_of(run)),
        ("sweep", _sweep_of(spec)),
        ("data", spec.data or ""),
        ("parameters", ", ".join(f"{key}={value}" for key, value in spec.parameters.items())),
        ("monitor", f"{spec.monitor} ({run.mode.value}){_pace_of(spec)}"),
        ("seed", str(spec.seed) if not spec.is_script or spec.seed else ""),
        ("worker", run.worker or ""),
        ("taken up", f"{run.attempt} times" if run.attempt > 1 else ""),
        ("failed attempts", failed_attempts(run)),
        ("resume", " ".join(part for part in (run.resume, run.resume_note) if part)),
        ("incomplete", run.incomplete or ""),
        ("labels", ", ".join(f"{key}={value}" for key, value in spec.labels.items())),
        ("tags", ", ".join(run.tags)),
        ("asked by", f"{run.created_by}, {age(run.created_at, now)} ago"),
        ("took", took(run)),
    ]


def _pace_of(spec: RunSpec) -> str:
    epochs = f" ({figure(spec.validate_every_epochs)} epochs)" if spec.validate_every_epochs is not None else ""
    return f", a validation each {spec.validate_every:,} steps{epochs}" if not spec.is_script else ""


def _selected_of(run: Run) -> str:
    """What the run ended with, or which selector will choose it."""
    if run.selection is not None:
        return f"{run.selection.checkpoint}, {say_selection(run.selection)}"
    return render(run.spec.selector.model_dump()) if run.spec.selector.name != "best" else ""


def _memory_of(run: Run) -> str:
    """What memory holds: steps that going back to takes no disk."""
    if run.memory is None:
        return ""
    steps = ", ".join(f"{snapshot.step:,}{' (best)' if snapshot.is_best else ''}" for snapshot in run.memory.snapshots)
    return f"step {steps or 'none'}; {size(run.memory.held_bytes)} of {size(run.memory.budget_bytes)}"


def took(run: Run) -> str:
    """How long it has been training; nothing before it began."""
    if run.started_at is None:
        return ""
    return duration(((run.ended_at or datetime.now(UTC)) - run.started_at).total_seconds())


def source_of(spec: RunSpec) -> str:
    if isinstance(spec.source, RecipeSource):
        return f"recipe {spec.source.name}"
    if isinstance(spec.source, CodeSource):
        return f"{spec.source.entry} of bundle {spec.source.bundle[:12]}"
    if isinstance(spec.source, CommandSource):
        return f"{shlex.join(spec.source.argv)[:MAX_SHOWN]} in bundle {spec.source.bundle[:12]}"
    return "its own script"


def _origin_of(spec: RunSpec) -> str:
    origin = spec.forked_from
    return f"step {origin.step:,} of {origin.run}, checkpoint {origin.checkpoint}" if origin else ""


def _sweep_of(spec: RunSpec) -> str:
    return f"{spec.trial.sweep}, run {spec.trial.number} of it" if spec.trial else ""


def _test_of(test: TestResult | None) -> str:
    if test is None:
        return ""
    values = ", ".join(f"{key} {number(value)}" for key, value in test.values.items())
    return f"{values} on {test.n:,} examples, at step {test.step:,}"
