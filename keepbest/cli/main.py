"""The entry point of the command: the table of verbs, and how errors are printed.

The module of a verb is imported only when the verb is used, so that `keepbest ls` starts fast.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from keepbest.cli.common.errors import Exit, print_error, status_of
from keepbest.errors import KeepbestError
from keepbest.renamed import OPTIONS
from keepbest.settings import VERSION, is_debugging


class Verb(NamedTuple):
    """`home` is a module of this package and a function or a Typer in it."""

    name: str
    home: str
    panel: str
    help: str


SERVICE, TRAIN, GO_BACK, ADMIN = "The service", "Runs", "Back to the best", "Access and set-up"
VERBS = (
    Verb("up", "service.service:up", SERVICE, "Start tracker, scheduler and worker on this machine."),
    Verb("demo", "service.demo:demo", SERVICE, "See it work: train, stop early, restore the best in a fresh process."),
    Verb("doctor", "service.doctor:doctor", SERVICE, "Check the installation and the service, and say what to do."),
    Verb("server", "service.service:server", SERVICE, "Start only the tracker."),
    Verb("scheduler", "service.service:scheduler", SERVICE, "Start only the scheduler; one for each database."),
    Verb("worker", "service.service:worker", SERVICE, "Start only a worker."),
    Verb(
        "submit",
        "runs.submit:app",
        TRAIN,
        "Queue a run: a recipe, your own my_model.py:build, or any command after --.",
    ),
    Verb("sweep", "sweeps.sweep:app", TRAIN, "Try parameters: by grid, by chance or by TPE."),
    Verb("sweeps", "sweeps.listing:sweeps", TRAIN, "List sweeps."),
    Verb("ls", "runs.run_table:ls", TRAIN, "List runs: all, or those that fit a filter."),
    Verb("show", "runs.facts:show", TRAIN, "Show one run; --validations shows every decision."),
    Verb("watch", "runs.watch:watch", TRAIN, "Follow a run live, to its end."),
    Verb("logs", "runs.watch:logs", TRAIN, "Print what a run's trainer wrote; -f follows."),
    Verb("stop", "runs.commands:stop", TRAIN, "Stop a run and come back to its best."),
    Verb("pause", "runs.commands:pause", TRAIN, "Pause a run: its worker is free, and `resume` goes on with it."),
    Verb("priority", "runs.placing:priority", TRAIN, "Say which queued runs are trained first."),
    Verb("mv", "runs.placing:mv", TRAIN, "Move runs to another project."),
    Verb("cancel", "runs.commands:cancel", TRAIN, "End a run at once, or take it out of the queue."),
    Verb("rm", "runs.facts:rm", TRAIN, "Delete runs that have ended; --undo brings them back."),
    Verb("rename", "runs.edits:rename", TRAIN, "Give a run another name."),
    Verb("tag", "runs.edits:tag_app", TRAIN, "Put tags on runs and take them away: +word, -word, key=value."),
    Verb("note", "runs.edits:note", TRAIN, "Write the notes of a run."),
    Verb("compare", "runs.compare:compare", TRAIN, "Compare runs, what differs first."),
    Verb("diff", "runs.differences:diff", TRAIN, "Say what changed from best to last, or from run to run."),
    Verb("curve", "runs.curve:curve", TRAIN, "Draw a metric of a run in the terminal; --csv writes every point."),
    Verb("replay", "runs.replay:replay", TRAIN, "Say what other stoppers would have saved and lost."),
    Verb("report", "runs.report:report", TRAIN, "Report what a run, or several, really say."),
    Verb(
        "reproduce",
        "runs.reproduce:reproduce",
        TRAIN,
        "Write a folder with a run's code, packages, parameters and command.",
    ),
    Verb("artifacts", "artifacts.artifacts:app", TRAIN, "List, fetch, send and delete the files that a run keeps."),
    Verb("export", "exports.group:app", TRAIN, "Write a run, or the runs of a project, to a file."),
    Verb("import", "imports.group:app", TRAIN, "Bring runs of an archive or another tool, and checkpoints."),
    Verb("sync", "service.sync:sync", TRAIN, "Send the runs of scripts that were kept offline."),
    Verb("recipes", "service.workers:recipes", TRAIN, "List the built-in models and their parameters."),
    Verb("rollback", "runs.commands:rollback", GO_BACK, "Take a living run back to its best, a step or a checkpoint."),
    Verb("resume", "runs.fork_resume:resume", GO_BACK, "Have an ended run go on from a checkpoint."),
    Verb("fork", "runs.fork_resume:fork", GO_BACK, "Begin a new run at a checkpoint of another."),
    Verb("checkpoints", "checkpoints.listing:checkpoints", GO_BACK, "List a run's checkpoints."),
    Verb("checkpoint", "checkpoints.checkpoint:checkpoint", GO_BACK, "Look into a checkpoint; say how two differ."),
    Verb("alias", "checkpoints.alias:app", GO_BACK, "Name checkpoints and files of a project: champion."),
    Verb(
        "inspect",
        "checkpoints.inspect:inspect",
        GO_BACK,
        "Look at variables, activations and gradients of a checkpoint.",
    ),
    Verb("restore", "checkpoints.restore:restore", GO_BACK, "Write a checkpoint to files; --verify measures it anew."),
    Verb("sql", "exports.sql:sql", ADMIN, "Ask the database, or an archive, in SQL: SELECT over runs, points, …"),
    Verb("gc", "service.maintenance:gc", ADMIN, "Free what no checkpoint needs any more; --dry-run says what."),
    Verb(
        "fsck",
        "service.maintenance:fsck",
        ADMIN,
        "Check every byte of a checkpoint store; --repair moves aside what is bad.",
    ),
    Verb("login", "service.login:login", ADMIN, "Keep a tracker's address and your token."),
    Verb("workers", "service.workers:workers", ADMIN, "List workers."),
    Verb("project", "service.projects:project", ADMIN, "List, make, describe, archive and delete projects."),
    Verb("share", "service.shares:share", ADMIN, "Make a read-only link to a run, or to the runs that a filter means."),
    Verb("shares", "service.shares:list_shares", ADMIN, "List read-only links."),
    Verb("unshare", "service.shares:unshare", ADMIN, "End a read-only link."),
    Verb("token", "service.users:token", ADMIN, "List, make and revoke tokens."),
    Verb("user", "service.users:user", ADMIN, "List, add and disable users."),
    Verb(
        "completion", "common.completion:completion", ADMIN, "Print the script that completes keepbest in your shell."
    ),
    Verb("version", "common.completion:version", ADMIN, "Print the versions of keepbest and of the tracker."),
)
_HOMES = {verb.name: verb.home for verb in VERBS}


class Verbs(TyperGroup):
    """A group that lists every verb with its help, and imports only the verb that runs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, _stub, rest = super().resolve_command(ctx, args)
        return name, load(name) if name is not None else None, rest


def load(name: str) -> Any:
    """Import a verb and return its command."""
    module, _, attribute = _HOMES[name].partition(":")
    verb = getattr(import_module(f"keepbest.cli.{module}"), attribute)
    if not isinstance(verb, typer.Typer):
        function, verb = verb, typer.Typer(add_completion=False)
        verb.command(name)(function)
    command = typer.main.get_command(verb)
    command.name = name
    return command


def group() -> TyperGroup:
    """Return the command with all verbs as stubs."""
    typer.completion.completion_init()  # type: ignore[attr-defined]
    app = typer.Typer(cls=Verbs, add_completion=False)
    app.callback()(keepbest)
    made = typer.main.get_group(app)
    made.commands.update(
        {verb.name: TyperCommand(verb.name, help=verb.help, rich_help_panel=verb.panel) for verb in VERBS}
    )
    return made


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"keepbest {VERSION}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", is_eager=True, callback=_print_version, help="Print the version of keepbest, and no more."
    ),
]


def keepbest(version: Version = False) -> None:
    """Train Keras models, keep the best one, stop when nothing improves, go back to the best moment."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _print_whatever_comes()
    try:
        return int(group().main(arguments or ["--help"], prog_name="keepbest", standalone_mode=False) or Exit.OK)
    except typer.TyperException as error:
        return _print_usage_error(error)
    except typer.Abort:
        return Exit.INTERRUPTED
    except KeepbestError as error:
        if is_debugging():
            traceback.print_exc()
        print_error(error.message, field=error.field, hint=error.hint)
        return status_of(error)
    except Exception as error:
        if is_debugging():
            traceback.print_exc()
        print_error(f"{type(error).__name__}: {error}", hint="This is a bug. KEEPBEST_DEBUG=1 shows where it is.")
        return Exit.ERROR


def _print_whatever_comes() -> None:
    """Print characters that the terminal's encoding lacks as escapes, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_usage_error(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "keepbest"
    present = OPTIONS.get(getattr(error, "option_name", ""))
    hint = f"The option is now named {present}." if present else f"`{path} --help` lists the options."
    print_error(error.format_message().replace("Value error, ", ""), hint=hint)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
