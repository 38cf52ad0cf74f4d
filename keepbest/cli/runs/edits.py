"""`rename`, `tag`, `note`: what people write on runs, on one or on many."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from keepbest.cli.common.formatting import clean
from keepbest.cli.common.options import AsJson, ProjectName
from keepbest.cli.common.output import print_json, say
from keepbest.cli.runs.choice import Filter, choose_runs
from keepbest.cli.runs.each import act_on_each
from keepbest.client.client import Client
from keepbest.contract.runs import Run, RunPatch
from keepbest.contract.tags import TagChanges
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput

#: No short name: `-paper` takes the tag `paper` away.
LongFilter = Annotated[str | None, typer.Option("--filter", help="All runs that fit this filter, instead of by id.")]
LongProject = Annotated[str | None, typer.Option("--project", help="Only this project.")]

#: `tag` alone takes words that begin with a dash.
tag_app = typer.Typer(add_completion=False)


def rename(
    words: Annotated[list[str], typer.Argument(metavar="RUN... NAME", help="Ids of runs, and their new name.")],
    filter: Filter = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> int:
    """Give a run another name, or several runs the same."""
    *references, name = words
    patch = request(RunPatch, name=name)
    return _edit(references, filter, project, as_json, patch, lambda run: f"{run.id} is named {clean(run.name)}.")


def note(
    words: Annotated[
        list[str],
        typer.Argument(metavar="RUN... TEXT", help="Ids of runs, and their notes; `-` reads them from stdin."),
    ],
    append: Annotated[bool, typer.Option("--append", "-a", help="Write below what is there.")] = False,
    filter: Filter = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> int:
    """Write the notes of a run, or of several; an empty text takes them away."""
    *references, text = words
    text = sys.stdin.read().rstrip("\n") if text == "-" else text
    patch = request(RunPatch, more_notes=text) if append else request(RunPatch, notes=text)
    return _edit(
        references, filter, project, as_json, patch, lambda run: f"{run.id} ({clean(run.name)}) has the notes."
    )


@tag_app.command("tag", context_settings={"ignore_unknown_options": True})
def tag(
    words: Annotated[
        list[str],
        typer.Argument(metavar="RUN... +WORD -WORD KEY=VALUE", help="Ids of runs, and what is put on or taken away."),
    ],
    filter: LongFilter = None,
    project: LongProject = None,
    as_json: AsJson = False,
) -> int:
    """Put tags on runs and take them away: `+word`, `-word`, `key=value` in place of what `key` was, `-key`."""
    changes = [word for word in words if _is_change(word)]
    references = [word for word in words if not _is_change(word)]
    if not changes:
        raise InvalidInput(
            "No tag is put on or taken away.", field="tag", hint="keepbest tag RUN +word -word key=value"
        )
    patch = request(RunPatch, tag_changes=_read_changes(changes))
    return _edit(references, filter, project, as_json, patch, _tell_tags)


def _read_changes(words: Sequence[str]) -> TagChanges:
    """Return what the words `+word`, `-word` and `key=value` put on and take away."""
    return request(
        TagChanges,
        add=[word.removeprefix("+") for word in words if not word.startswith("-")],
        remove=[word[1:] for word in words if word.startswith("-")],
    )


def _tell_tags(run: Run) -> str:
    return f"{run.id} ({clean(run.name)}): {clean(', '.join(run.tags) or 'no tags')}"


def _is_change(word: str) -> bool:
    if word.startswith("--") or word in ("", "+", "-"):
        raise InvalidInput(f"There is no option {word!r}.", field="tag", hint="keepbest tag RUN +word -word key=value")
    return word[0] in "+-" or "=" in word


def _edit(
    references: Sequence[str],
    filter: str | None,
    project: str | None,
    as_json: bool,
    patch: RunPatch,
    tell: Callable[[Run], str],
) -> int:
    """Change each run that is meant, and say what each is now."""
    with Client() as client:

        def change(run: str) -> Run:
            changed = client.patch_run(run, patch)
            if not as_json:
                say(tell(changed))
            return changed

        chosen = choose_runs(client, references, filter, project)
        changed, status = act_on_each((run.id for run in chosen), change)
    if as_json:
        print_json([run.model_dump(mode="json") for run in changed])
    return status
