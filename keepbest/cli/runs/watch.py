"""`watch`, `logs`: follow a run while it trains."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from keepbest.cli.common.errors import Exit, print_error, status_of_run
from keepbest.cli.common.formatting import at_step, clean, failed_attempts, number, say_selection
from keepbest.cli.common.options import AsJson, RunId
from keepbest.cli.common.output import is_terminal, progress_bars, say, styled, warn
from keepbest.cli.common.suggest import suggest_restore
from keepbest.cli.runs.facts import state_of, took
from keepbest.cli.runs.follow import News, RunFollower
from keepbest.cli.runs.log_lines import Output
from keepbest.client.client import Client
from keepbest.contract.runs import ExternalSource, Run
from keepbest.contract.validations import RecordedValidation
from keepbest.outlook import find_outlook
from keepbest.status import RunState

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def watch(run: RunId, as_json: AsJson = False) -> int:
    """Follow a run to its end, with a mark at each new best; the exit status says how it ended.

    Ctrl-C ends the watching, not the run. --json prints a line for each validation and at last one for the run.
    """
    with Client() as client:
        return follow(client, client.run(run).id, as_json)


def logs(
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    as_json: AsJson = False,
) -> int:
    """Print the output of a run's trainer, with progress bars as a terminal would leave them."""
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
    """Say why a run has no output here, and how to get it the next time."""
    if isinstance(run.spec.source, ExternalSource):
        return (
            f"The script of {run.id} did not send its output. "
            "keepbest.init(capture=True) keeps a script's console with its run."
        )
    if run.started_at is None and not run.state.is_final:
        return f"Nothing yet: {run.id} is {run.state.value}{_describe_worker(run)}."
    return f"{run.id} has printed nothing."


def follow(client: Client, run: str, as_json: bool = False) -> int:
    """Show a run until it ends; return the exit status that fits."""
    last: Run | None = None
    validations: list[RecordedValidation] = []
    try:
        with _open_view(as_json) as view:
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
    """Say how a run ended and what to do next; with `why`, also the reason, which no validation has shown."""
    best = f"; best {run.spec.monitor} {at_step(run.best_value, run.best_step)}" if run.best_step is not None else ""
    say(f"{run.id} {state_of(run)} at step {run.step or 0:,}{best}")
    if why and run.stop_message:
        say(run.stop_message)
    if run.selection is not None:
        say(f"selected: {say_selection(run.selection)}")
    if run.test is not None:
        values = ", ".join(f"{key} {number(value)}" for key, value in run.test.values.items())
        say(f"test: {values} on {run.test.n:,} examples")
    if run.state is RunState.FAILED and run.error is not None:
        print_error(run.error.message, hint=run.error.hint or f"keepbest logs {run.id}")
    elif run.selection is not None:
        say(f"next: {suggest_restore(client, run.id, run.selection.checkpoint, 'selected')}")
    elif run.best_checkpoint:
        say(f"next: {suggest_restore(client, run.id, run.best_checkpoint)}")


class RunView(Protocol):
    """One way to show the news of a run."""

    def show(self, news: News) -> None: ...


@contextmanager
def _open_view(as_json: bool) -> Iterator[RunView]:
    if as_json:
        yield _JsonRunView()
    elif is_terminal():
        with progress_bars() as bars:
            yield _LiveRunView(bars)
    else:
        yield _PlainRunView()


class _PlainRunView:
    """Prints a line for each validation, and for each change of the state."""

    def __init__(self) -> None:
        self.state: RunState | None = None
        self.is_outlook_said = False

    def show(self, news: News) -> None:
        if news.run.state is not self.state and not news.run.state.is_final:
            say(f"{news.run.id} {state_of(news.run)}{_describe_worker(news.run)}")
        self.state = news.run.state
        for validation in news.validations:
            say(validation_line(news.run, validation))
        self._show_outlook(news.run)

    def _show_outlook(self, run: Run) -> None:
        """Say once when the run will end; `show` says it anew."""
        if not self.is_outlook_said and (outlook := find_outlook(run)) is not None:
            self.is_outlook_said = True
            say(f"{run.id} ends {outlook}")


class _JsonRunView:
    """Prints a line of JSON for each validation, and one for the run when it has ended."""

    def __init__(self) -> None:
        self.has_ended = False

    def show(self, news: News) -> None:
        for validation in news.validations:
            print(validation.model_dump_json(ensure_ascii=True), flush=True)
        if news.run.state.is_final and not self.has_ended:
            self.has_ended = True
            print(news.run.model_dump_json(ensure_ascii=True), flush=True)


class _LiveRunView:
    """Prints each new best above progress bars of the steps and of the patience."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.steps = bars.add_task("", total=None, words="")
        self.patience: TaskID | None = None

    def show(self, news: News) -> None:
        for validation in news.validations:
            if validation.decision.improved or validation.decision.stop or validation.withdraws:
                style = "bold green" if validation.decision.improved else "yellow"
                self.bars.console.print(styled(clean(validation_line(news.run, validation)), style))
        self._show_steps(news.run)
        self._show_patience(news.run)

    def _show_steps(self, run: Run) -> None:
        has_best = run.best_step is not None
        best = f"best {at_step(run.best_value, run.best_step)}" if has_best else _describe_worker(run).strip()
        outlook = find_outlook(run)
        self.bars.update(
            self.steps,
            description=clean(f"{run.name} {state_of(run)}"),
            total=run.steps_at_most,
            completed=run.step or 0,
            words=clean(f"step {run.step or 0:,}  {best}  {took(run)}{f'  ends {outlook}' if outlook else ''}"),
        )

    def _show_patience(self, run: Run) -> None:
        if run.wait is None or run.patience_left is None:
            return
        whole = run.wait + run.patience_left
        words = f"{run.patience_left:,} of {whole:,} {run.patience_unit or ''} left"
        if self.patience is None:
            self.patience = self.bars.add_task("patience", words=words)
        self.bars.update(self.patience, total=whole or 1, completed=run.patience_left, words=words)


def validation_line(run: Run, validation: RecordedValidation) -> str:
    """Return `step 300  val_accuracy 0.9712  * best`, with the reason of a stop or of a withdrawal."""
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


def _describe_worker(run: Run) -> str:
    """Return the worker of a run, or what the run waits for."""
    if run.state is RunState.PAUSED:
        return f"  {run.stop_message or ''}"
    if run.state is RunState.QUEUED:
        failed = failed_attempts(run)
        return f"  waiting for a worker{f' (failed attempts: {failed})' if failed else ''}"
    return f"  on {run.worker}" if run.worker else ""
