"""`watch`, `logs`: a run as it happens."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Annotated, Any, Protocol

import typer

from keepbest.cli.common.errors import Exit, status_of_run, tell
from keepbest.cli.common.formatting import at_step, clean, failed_attempts, number, say_selection
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import is_terminal, new_console, say, styled, warn
from keepbest.cli.common.suggest import suggest_restore
from keepbest.cli.runs.facts import state_of, took
from keepbest.cli.runs.follow import News, RunFollower
from keepbest.cli.runs.log_lines import Output
from keepbest.client.client import Client
from keepbest.contract.runs import ExternalSource, Run
from keepbest.contract.validations import RecordedValidation
from keepbest.status import RunState


def watch(run: RunId, as_json: AsJson = False) -> int:
    """Follow a run live, with a mark at each new best; ends with the run, and with its exit status.

    Ctrl-C ends the watching, not the run. With --json one line for each validation and at last one for the run.
    """
    with Client() as client:
        return follow(client, client.run(run).id, as_json)


def logs(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    as_json: AsJson = False,
) -> int:
    """Print what a run's trainer wrote; progress bars as a terminal would leave them."""
    output, is_silent = Output(), True
    with Client() as client:
        follower = RunFollower(client, client.run(run).id, with_logs=True)
        for news in follower.news() if follow else [follower.read()]:
            is_silent &= not news.logs
            if as_json:
                sys.stdout.writelines(piece.model_dump_json(ensure_ascii=True) + "\n" for piece in news.logs)
            else:
                sys.stdout.write(output.add(news.logs))
            sys.stdout.flush()
    sys.stdout.write(output.rest())
    if is_silent and not as_json:
        warn(say_no_output(news.run))
    return status_of_run(news.run.state) if follow else Exit.OK


def say_no_output(run: Run) -> str:
    """Say why a run has no output here, and where it is or how to have it the next time."""
    if isinstance(run.spec.source, ExternalSource):
        return (
            f"The output of {run.id} is where its script runs: it was not sent. "
            "keepbest.init(capture=True) keeps a script's console with its run."
        )
    if run.started_at is None and not run.state.is_final:
        return f"Nothing yet: {run.id} is {run.state.value}{_who(run)}."
    return f"{run.id} has printed nothing."


def follow(client: Client, run: str, as_json: bool = False) -> int:
    """Show a run until it ends; return the exit status that fits."""
    last: Run | None = None
    validations: list[RecordedValidation] = []
    try:
        with _view(as_json) as view:
            for news in RunFollower(client, run, with_validations=True).news():
                view.show(news)
                last, validations = news.run, news.validations or validations
    except KeyboardInterrupt:
        warn(f"The run goes on. To see it again: keepbest watch {run}")
        raise
    assert last is not None  # noqa: S101
    if not as_json:
        conclude(client, last, why=not any(validation.decision.stop for validation in validations))
    return status_of_run(last.state)


def conclude(client: Client, run: Run, *, why: bool) -> None:
    """Say how a run ended and what to do next; `why` where no validation has said it."""
    best = (
        f"; best {run.spec.monitor} {at_step(run.best_value, run.best_step, 17)}" if run.best_step is not None else ""
    )
    say(f"{run.id} {state_of(run)} at step {run.step or 0:,}{best}")
    if why and run.stop_message:
        say(run.stop_message)
    if run.selection is not None:
        say(f"selected: {say_selection(run.selection)}")
    if run.test is not None:
        values = ", ".join(f"{key} {number(value)}" for key, value in run.test.values.items())
        say(f"test: {values} on {run.test.n:,} examples")
    if run.state is RunState.FAILED and run.error is not None:
        tell(run.error.message, hint=run.error.hint or f"keepbest logs {run.id}")
    elif run.selection is not None:
        say(f"next: {suggest_restore(client, run.id, run.selection.checkpoint, 'selected')}")
    elif run.best_checkpoint:
        say(f"next: {suggest_restore(client, run.id, run.best_checkpoint)}")


class RunView(Protocol):
    """One way to show news."""

    def show(self, news: News) -> None: ...


def _view(as_json: bool) -> AbstractContextManager[RunView]:
    if as_json:
        return _JsonRunView()
    return _LiveRunView() if is_terminal() else _PlainRunView()


class _PlainRunView:
    """One line a validation, and one when the state changes."""

    def __init__(self) -> None:
        self.state: RunState | None = None

    def __enter__(self) -> RunView:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, news: News) -> None:
        if news.run.state is not self.state and not news.run.state.is_final:
            say(f"{news.run.id} {state_of(news.run)}{_who(news.run)}")
        self.state = news.run.state
        for validation in news.validations:
            say(validation_line(news.run, validation))


class _JsonRunView(_PlainRunView):
    """A line of JSON a validation, and one for the run when it ended."""

    def show(self, news: News) -> None:
        for validation in news.validations:
            print(validation.model_dump_json(ensure_ascii=True), flush=True)
        if news.run.state.is_final and self.state is not news.run.state:
            self.state = news.run.state
            print(news.run.model_dump_json(ensure_ascii=True), flush=True)


class _LiveRunView:
    """A progress bar that stays at the bottom; each new best goes by above it."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = new_console()
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[words]}", markup=False),
            console=self.console,
            transient=True,
            expand=True,
        )
        self.steps: Any = self.bars.add_task("", total=None, words="")
        self.patience: Any = None

    def __enter__(self) -> RunView:
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def show(self, news: News) -> None:
        for validation in news.validations:
            if validation.decision.improved or validation.decision.stop or validation.withdraws:
                style = "bold green" if validation.decision.improved else "yellow"
                self.console.print(styled(clean(validation_line(news.run, validation)), style))
        self._show_steps(news.run)
        self._show_patience(news.run)

    def _show_steps(self, run: Run) -> None:
        best = f"best {at_step(run.best_value, run.best_step)}" if run.best_step is not None else _who(run).strip()
        self.bars.update(
            self.steps,
            description=clean(f"{run.name} {state_of(run)}"),
            total=run.steps_at_most,
            completed=run.step or 0,
            words=clean(f"step {run.step or 0:,}  {best}  {took(run)}"),
        )

    def _show_patience(self, run: Run) -> None:
        if run.wait is None or run.patience_left is None:
            return
        whole = run.wait + run.patience_left
        shown: dict[str, Any] = {
            "total": whole or 1,
            "completed": run.patience_left,
            "words": f"{run.patience_left:,} of {whole:,} {run.patience_unit or ''} left",
        }
        if self.patience is None:
            self.patience = self.bars.add_task("patience", **shown)
        self.bars.update(self.patience, **shown)


def validation_line(run: Run, validation: RecordedValidation) -> str:
    """`step 300  val_accuracy 0.9712  * best`; a stop says why, and what was taken back."""
    if validation.withdraws:
        return f"step {validation.step:>8,}  withdrawn as the best: {validation.note}; {_best_now(run, validation)}"
    measured = (
        f"{run.spec.monitor} {number(validation.value)}" if validation.value is not None else "between two validations"
    )
    words = f"step {validation.step:>8,}  {measured}"
    if validation.decision.improved:
        words += "  * best"
    return (
        f"{words}  stop: {validation.decision.message or validation.decision.reason}"
        if validation.decision.stop
        else words
    )


def _best_now(run: Run, validation: RecordedValidation) -> str:
    best = validation.decision
    if best.best_step is None:
        return "there is no best now"
    return f"the best is {run.spec.monitor} {at_step(best.best_value, best.best_step)} again"


def _who(run: Run) -> str:
    if run.state is RunState.PAUSED:
        return f"  {run.stop_message or ''}"
    if run.state is RunState.QUEUED:
        failed = failed_attempts(run)
        return f"  waiting for a worker{f' (failed attempts: {failed})' if failed else ''}"
    return f"  on {run.worker}" if run.worker else ""
