"""Plans how a run is done again: the files of a folder, the code to bring, the command, and what nobody can bring."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from keepbest.contract.provenance import Provenance
from keepbest.contract.runs import CodeSource, CommandSource, RecipeSource, Run, RunSpec
from keepbest.provenance.secrets import MASK
from keepbest.stopping import render

CODE, PATCH, LOCK, PARAMETERS, COMMAND, GET_CODE = (
    "code", "changes.patch", "requirements.txt", "parameters.json", "reproduce.sh", "get-code.sh",
)  # fmt: skip
#: A line that pip reads as a package and nothing else.
_PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_HEAD = '#!/bin/sh\nset -eu\ncd "$(dirname "$0")"\n'


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The texts of the files by name, the bundle to unpack into `code`, the command, and what is missing."""

    files: Mapping[str, str]
    command: str
    bundle: str | None = None
    missing: Sequence[str] = field(default_factory=tuple)


def plan_reproduction(run: Run, provenance: Provenance) -> Reproduction:
    """Return how to do `run` again; text of the run that stands in a script is quoted."""
    source = run.spec.source
    bundle = source.bundle if isinstance(source, CodeSource | CommandSource) else None
    about = run.environment or {}
    lines = list(_submit(run) if bundle or isinstance(source, RecipeSource) else _run_script(run, about))
    files = {
        PARAMETERS: json.dumps(run.spec.parameters, indent=2, ensure_ascii=False) + "\n",
        LOCK: _write_lock(provenance, about),
        COMMAND: f"{_HEAD}{chr(10).join(lines)}\n",
    }
    if bundle is None and about.get("commit"):
        files[GET_CODE] = _HEAD + "".join(f"{line}\n" for line in _get_code(about, provenance))
        files |= {PATCH: provenance.diff} if provenance.diff else {}
    return Reproduction(files, lines[-1], bundle, tuple(_list_missing(run, provenance, about)))


def _submit(run: Run) -> Iterator[str]:
    """Yield the lines that submit the run of a worker again."""
    spec, source = run.spec, run.spec.source
    options = [*_list_options(spec), "--project", run.project, "--tag", f"reproduces={run.id}"]
    if isinstance(source, CommandSource):
        yield f"cd {CODE}"
        yield shlex.join(["keepbest", "submit", *options, "--", *source.argv])
    elif isinstance(source, CodeSource):
        yield shlex.join(["keepbest", "submit", f"{CODE}/{source.entry}", "--folder", CODE, *options])
    elif isinstance(source, RecipeSource):
        yield shlex.join(["keepbest", "submit", source.name, *options])


def _list_options(spec: RunSpec) -> Iterator[str]:
    """Yield the options of `keepbest submit` that give this spec; a command gets those that its submission gave."""
    source = spec.source
    given: dict[str, Any] = {
        "monitor": spec.monitor,
        "mode": spec.mode.value if spec.mode.value != "auto" else None,
        "stop": render(spec.stopper.model_dump()),
        "max-steps": spec.max_steps,
    }
    if isinstance(source, CommandSource):
        fields = {"stopper": "stop", "max_steps": "max-steps"}
        given = {name: given[name] for name in (fields.get(name, name) for name in source.fixed)}
    else:
        keep = f"best={spec.retention.best},last={spec.retention.last}"
        every = f",every={spec.retention.every_steps}" if spec.retention.every_steps else ""
        given |= {
            "epochs": spec.epochs if spec.max_steps is None else None,
            "validate-every": spec.validate_every,
            "data": spec.data,
            "select": render(spec.selector.model_dump()),
            "keep": keep + every,
            "seed": spec.seed,
            "keep-examples": spec.keep_examples or None,
        }
        for name, value in spec.parameters.items():
            yield from ("--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}")
    for name, value in given.items():
        if value is not None:
            yield from (f"--{name}", str(value))
    for key, value in spec.labels.items():
        yield from ("--label", f"{key}={value}")
    yield from (["--strict"] if spec.strict else [])


def _run_script(run: Run, about: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that run the script of the run again, in the code's folder."""
    top = _plain_path(about.get("repository"))
    folder = _plain_path(about.get("folder"))
    inside = folder.relative_to(top) if top and folder and folder.is_relative_to(top) else PurePosixPath()
    if top is not None:
        yield "[ -e code ] || sh ./get-code.sh"
        yield shlex.join(["cd", (CODE / inside).as_posix()])
    yield shlex.join(["export", f"KEEPBEST_PROJECT={run.project}", f"KEEPBEST_TAGS=reproduces={run.id}"])
    words = [str(word) for word in about.get("command") or []]
    if not words:
        yield "echo 'The command of this run was not recorded.' >&2; exit 1"
        return
    if PurePosixPath(words[0]).name.startswith("python"):
        words[0] = "python"
    yield shlex.join([_move(word, top, inside) for word in words])


def _move(word: str, top: PurePosixPath | None, inside: PurePosixPath) -> str:
    """Return a word of a command, as a path in the new folder where it was one in the old."""
    path = _plain_path(word)
    if top is None or path is None or not path.is_relative_to(top):
        return word
    return os.path.relpath(path.relative_to(top).as_posix(), inside.as_posix())


def _plain_path(text: object) -> PurePosixPath | None:
    """Return an absolute path without `..`; None for anything else."""
    if not isinstance(text, str) or not text.startswith("/") or ".." in Path(text).parts:
        return None
    return PurePosixPath(text)


def _get_code(about: Mapping[str, Any], provenance: Provenance) -> Iterator[str]:
    where = str(about.get("remote") or about.get("repository") or "")
    yield shlex.join(["git", "clone", "--", where, CODE])
    yield shlex.join(["git", "-C", CODE, "checkout", "--quiet", "--detach", str(about["commit"])])
    if provenance.diff:
        yield shlex.join(["git", "-C", CODE, "apply", f"../{PATCH}"])


def _write_lock(provenance: Provenance, about: Mapping[str, Any]) -> str:
    """Return the packages for `pip install -r`; keepbest itself may come from a checkout, so its line is a comment."""
    lines = [f"Python {about.get('python', 'unknown')}, {about.get('platform', 'platform unknown')}"]
    lines += [f"{name}=={version}" for name, version in provenance.packages.items()]
    shown = [" ".join(line.split()) for line in lines]
    return "".join(
        f"{line}\n" if _PIN.fullmatch(line) and not line.startswith("keepbest==") else f"# {line}\n" for line in shown
    )


def _list_missing(run: Run, provenance: Provenance, about: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the folder cannot bring, a sentence each."""
    spec = run.spec
    is_script = spec.is_script and not isinstance(spec.source, CommandSource)
    yield f"The data: {f'the worker must have {spec.data!r}' if spec.data else 'whatever the code reads'}."
    if spec.forked_from is not None:
        origin = spec.forked_from
        yield f"The beginning: the run is a fork of run {origin.run} at checkpoint {origin.checkpoint}."
    if run.segment:
        yield "The jumps: the run was resumed or rolled back, and the command begins at its first step."
    if is_script and not about.get("commit"):
        yield "The code: it lay in no git repository, or KEEPBEST_PROVENANCE was off."
    if is_script and about.get("is_dirty") and not provenance.diff:
        yield "The uncommitted changes of the code: they were not recorded."
    for name in provenance.left_out:
        yield f"A change that was too large, binary or secret to record: {name}"
    if provenance.is_masked or MASK in " ".join(map(str, about.get("command") or [])):
        yield f"The secrets: {MASK} stands in their place."
    if not provenance.packages:
        yield "The packages: they were not recorded."
    if run.resume == "approximate":
        yield f"The same numbers: the run was not exact. {run.resume_note or ''}".rstrip()
