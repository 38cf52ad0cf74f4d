"""`artifacts`: lists the files that runs keep, fetches them, sends more, and deletes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol

import typer

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import age, clean, counted, number
from keepbest.cli.common.options import AsJson, RunId, Yes
from keepbest.cli.common.output import Table, is_terminal, print_json, print_listing, progress_bars, say
from keepbest.cli.runs.each import act_on_each
from keepbest.client.artifacts import download
from keepbest.client.client import Client
from keepbest.contract.artifacts import Artifact, ArtifactPage, check_path
from keepbest.errors import InvalidInput, NotFound
from keepbest.figures import size

_PAGE = 1000

app = typer.Typer(
    help="List the files that a run keeps, fetch them, send more, delete them.",
    add_completion=False,
    no_args_is_help=True,
)
Prefix = Annotated[str, typer.Argument(metavar="PATH", help="A file of the run, or a folder.")]
To = Annotated[Path | None, typer.Option("--to", help="Folder to write to.", show_default="this folder")]


@app.command("ls")
def list_artifacts(
    run: RunId,
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="Only what begins so.")] = "",
    versions: Annotated[bool, typer.Option("--versions", help="Older versions, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the files of a run."""
    with Client() as client:
        page = _read_all(client, run, path, versions)
    now = datetime.now(UTC)
    heads = ("path", ">version", "kind", ">size", ">age", "by")
    tied = (">step", ">value") if any(it.step is not None for it in page.artifacts) else ()
    table = Table((*heads, *tied), empty="No artifacts.", spare=("by",))
    rows = (
        (it.path, it.version, it.kind, size(it.size_bytes), age(it.at, now), it.user, *_validation(it)[: len(tied)])
        for it in page.artifacts
    )
    print_listing(page, table, rows, as_json=as_json)
    if not as_json and page.artifacts:
        say(f"{page.total} files, {size(page.bytes or 0)}.")


@app.command("get")
def get(
    run: RunId,
    path: Prefix,
    to: To = None,
    version: Annotated[int | None, typer.Option(min=1, help="An older version.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: AsJson = False,
) -> int:
    """Fetch a file of a run, or all files of a folder, and check their digests."""
    target, written = to or Path(), list[str]()
    with Client() as client:
        artifacts = [client.files.find(run, path, version)] if version else _find(client, run, path)
        places = [target / _place_of(artifact.path, path) for artifact in artifacts]
        _check_free(places, force)
        with _bars(len(artifacts), "fetching") as tick:
            for artifact, place in zip(artifacts, places, strict=True):
                place.parent.mkdir(parents=True, exist_ok=True)
                download(client.files, artifact, place)
                written.append(str(place))
                tick()
    if as_json:
        print_json({"written": written})
    else:
        say(f"{counted(len(written), 'file')} written to {clean(str(target))}.")
    return Exit.OK


@app.command("put")
def put(
    run: RunId,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file, or a folder.")],
    name: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="Path in the run.", show_default="the file's name")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Send a file, or all files of a folder, to a run. The same path again is a new version."""
    files = list(_list_files(source, name or source.absolute().name))
    sent = list[Artifact]()
    with Client() as client, _bars(len(files), "sending") as tick:
        for file, path in files:
            sent.append(_send(client, run, file, path))
            tick()
    if as_json:
        print_json(ArtifactPage(artifacts=sent, total=len(sent), bytes=sum(item.size_bytes for item in sent)))
    else:
        say(f"{counted(len(sent), 'file')} sent ({size(sum(item.size_bytes for item in sent))}).")
    return Exit.OK


@app.command("rm")
def remove(run: RunId, path: Prefix, yes: Yes = False) -> Exit:
    """Delete a file of a run with its older versions, or all files of a folder."""
    with Client() as client:
        artifacts = _find(client, run, path)
        if not yes:
            names = ", ".join(clean(artifact.path) for artifact in artifacts[:5])
            more = f" and {len(artifacts) - 5} more" if len(artifacts) > 5 else ""
            typer.confirm(f"Delete {names}{more}?", abort=True)
        done, status = act_on_each((item.path for item in artifacts), lambda name: client.files.delete(run, name))
    say(f"{counted(len(done), 'file')} deleted.")
    return status


def _validation(artifact: Artifact) -> tuple[str, str]:
    """Return step and value of a checkpoint that came as a file."""
    return "" if artifact.step is None else f"{artifact.step:,}", number(artifact.value)


class _Tick(Protocol):
    def __call__(self) -> None: ...


@contextmanager
def _bars(total: int, word: str) -> Iterator[_Tick]:
    """Show how many of the files are done, on a terminal and for several files."""
    if total < 2 or not is_terminal():
        yield lambda: None
        return
    with progress_bars() as bars:
        task, done = bars.add_task(word, total=total, words=f"0 of {total}"), 0

        def tick() -> None:
            nonlocal done
            done += 1
            bars.update(task, completed=done, words=f"{done} of {total}")

        yield tick


def _read_all(client: Client, run: str, prefix: str, versions: bool = False) -> ArtifactPage:
    """Return every artifact of a run that begins so, as one page."""
    page = first = client.files.list(run, prefix=prefix, versions=versions, limit=_PAGE)
    artifacts = list(page.artifacts)
    while page.cursor is not None:
        page = client.files.list(run, prefix=prefix, versions=versions, cursor=page.cursor, limit=_PAGE)
        artifacts.extend(page.artifacts)
    return first.model_copy(update={"artifacts": artifacts, "cursor": None})


def _find(client: Client, run: str, path: str) -> list[Artifact]:
    """Return the artifact at a path, or those in a folder; raises NotFound."""
    name = path.rstrip("/")
    there = _read_all(client, run, name).artifacts
    if result := [artifact for artifact in there if artifact.path == name or artifact.path.startswith(f"{name}/")]:
        return result
    hint = f"`keepbest artifacts ls {run}` lists them."
    raise NotFound(f"Run {run} has no artifact {path!r}.", field="path", hint=hint)


def _place_of(artifact: str, path: str) -> Path:
    """Return where a file goes: a single file by its name, those of a folder below the folder's name.

    The tracker is not trusted: a path that leads elsewhere raises InvalidInput.
    """
    try:
        check_path(artifact)
    except ValueError as error:
        raise InvalidInput(f"The tracker names a file {artifact!a}: {error}.", field="path") from None
    above = path.rstrip("/").rpartition("/")[0]
    return Path(artifact.removeprefix(f"{above}/") if above else artifact)


def _check_free(places: list[Path], force: bool) -> None:
    there = next((place for place in places if place.exists()), None)
    if there is not None and not force:
        raise InvalidInput(f"{there} is there already.", field="to", hint="Name another folder, or add --force.")


def _list_files(source: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield each file with its path in the run; raises InvalidInput for a path that no run can have."""
    if not source.exists():
        raise InvalidInput(f"There is no file {source}.", field="source")
    files = sorted(path for path in source.rglob("*") if path.is_file()) if source.is_dir() else [source]
    if not files:
        raise InvalidInput(f"The folder {source} holds no file.", field="source")
    for file in files:
        path = f"{name.rstrip('/')}/{file.relative_to(source).as_posix()}" if source.is_dir() else name
        try:
            yield file, check_path(path)
        except ValueError as error:
            raise InvalidInput(f"{path!a} is no path of a run: {error}.", field="path") from None


def _send(client: Client, run: str, file: Path, path: str) -> Artifact:
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        count = source.tell()
        if (known := _try_known(client, run, path, digest, count)) is not None:
            return known
        source.seek(0)
        return client.files.put(run, path, source, size=count, digest=digest)


def _try_known(client: Client, run: str, path: str, digest: str, count: int) -> Artifact | None:
    """Have the tracker take a file that it has already; None where it has not."""
    try:
        return client.files.put(run, path, None, size=count, digest=digest)
    except NotFound as error:
        if error.field != "digest":
            raise
        return None
