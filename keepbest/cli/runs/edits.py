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
from keepbest.client.client import Client
from keepbest.contract.runs import Run, RunPatch
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
) -> None:
    """Give a run another name, or several runs the same."""
    *references, name = words
    patch = request(RunPatch, name=name)
    _edit(references, filter, project, as_json, lambda run: patch, lambda run: f"{run.id} is named {clean(run.name)}.")


def note(
    words: Annotated[
        list[str],
        typer.Argument(metavar="RUN... TEXT", help="Ids of runs, and their notes; `-` reads them from stdin."),
    ],
    append: Annotated[bool, typer.Option("--append", "-a", help="Write below what is there.")] = False,
    filter: Filter = None,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Write the notes of a run, or of several; an empty text takes them away."""
    *references, text = words
    text = sys.stdin.read().rstrip("\n") if text == "-" else text

    def plan(run: Run) -> RunPatch:
        return request(RunPatch, notes=f"{run.notes}\n{text}" if append and run.notes else text)

    _edit(references, filter, project, as_json, plan, lambda run: f"{run.id} ({clean(run.name)}) has the notes.")


@tag_app.command("tag", context_settings={"ignore_unknown_options": True})
def tag(
    words: Annotated[
        list[str],
        typer.Argument(metavar="RUN... +WORD -WORD KEY=VALUE", help="Ids of runs, and what is put on or taken away."),
    ],
    filter: LongFilter = None,
    project: LongProject = None,
    as_json: AsJson = False,
) -> None:
    """Put tags on runs and take them away: `+word`, `-word`, `key=value` in place of what `key` was, `-key`."""
    changes = [word for word in words if _is_change(word)]
    references = [word for word in words if not _is_change(word)]
    if not changes:
        raise InvalidInput(
            "No tag is put on or taken away.", field="tag", hint="keepbest tag RUN +word -word key=value"
        )

    def plan(run: Run) -> RunPatch:
        return request(RunPatch, tags=change_tags(run.tags, changes))

    def told(run: Run) -> str:
        return f"{run.id} ({clean(run.name)}): {clean(', '.join(run.tags) or 'no tags')}"

    _edit(references, filter, project, as_json, plan, told)


def change_tags(tags: Sequence[str], changes: Sequence[str]) -> list[str]:
    """Return the tags after the changes, in their order.

    >>> change_tags(["old", "team=red"], ["-old", "+vision", "team=blue"])
    ['vision', 'team=blue']
    """
    changed = list(tags)
    for change in changes:
        word = change[1:] if change[0] in "+-" else change
        key = f"{word.partition('=')[0]}="
        if change.startswith("-"):
            changed = [tag for tag in changed if tag != word and ("=" in word or not tag.startswith(key))]
            continue
        changed = [tag for tag in changed if "=" not in word or not tag.startswith(key)]
        changed += [word] if word not in changed else []
    return changed


def _is_change(word: str) -> bool:
    if word.startswith("--") or word in ("", "+", "-"):
        raise InvalidInput(f"There is no option {word!r}.", field="tag", hint="keepbest tag RUN +word -word key=value")
    return word[0] in "+-" or "=" in word


def _edit(
    references: Sequence[str],
    filter: str | None,
    project: str | None,
    as_json: bool,
    plan: Callable[[Run], RunPatch],
    told: Callable[[Run], str],
) -> None:
    """Change each run that is meant, and say what each is now; nothing is changed where a patch is not valid."""
    with Client() as client:
        patches = {run.id: plan(run) for run in choose_runs(client, references, filter, project)}
        changed = []
        for run, patch in patches.items():
            changed.append(client.patch_run(run, patch))
            if not as_json:
                say(told(changed[-1]))
    if as_json:
        print_json([run.model_dump(mode="json") for run in changed])
