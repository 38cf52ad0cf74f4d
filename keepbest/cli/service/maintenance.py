"""`gc` frees what no checkpoint needs; `fsck` checks whether a checkpoint store is whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.upkeep import fsck as checking
from keepbest.checkpoint.upkeep.fsck import StoreFault, StoreHealth
from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import counted
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_table, say, warn
from keepbest.client.client import Client
from keepbest.contract.checkpoints import CheckpointState
from keepbest.errors import KeepbestError, NotFound
from keepbest.figures import size
from keepbest.settings import Settings, load

_RUNS_A_PAGE = 500
_FILES_A_PAGE = 1000
Where = Annotated[Path | None, typer.Option("--store", help="Folder of the checkpoints (default: KEEPBEST_STORE).")]


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Free what no checkpoint and no artifact of the tracker's store needs. The scheduler does this by itself, too."""
    with Client() as client:
        done = client.collect_checkpoints(dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    table = Table(("run", "checkpoint", "what"), empty="Nothing to drop.")
    for item in done.trashed:
        table.add(item.run, item.checkpoint, "to the trash")
    for item in done.emptied:
        table.add(item.run, item.checkpoint, "out of the trash, for good")
    print_table(table)
    if done.trashed_artifacts or done.emptied_artifacts:
        thrown = counted(done.trashed_artifacts, "artifact")
        say(f"{thrown} to the trash, {done.emptied_artifacts} out of it, for good.")
    would = "would be " if dry_run else ""
    say(f"{size(done.freed_bytes)} {would}freed, {size(done.waiting_bytes)} more once the trash is emptied.")
    if done.busy:
        warn("Writers kept the store busy: the next collection removes the packs.")
    for damaged in done.damaged:
        warn(f"{damaged} As long as it lies there, keepbest removes no pack: keepbest fsck --repair")


def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Move what is bad aside; nothing is deleted.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Take this folder for the store from now on.")] = False,
    store: Where = None,
    as_json: AsJson = False,
) -> int:
    """Read every byte of a store of checkpoints and artifacts and compare it with what was written."""
    settings = load()
    folder = Folder(store or settings.store, notes=settings.dir)
    if accept:
        folder.identity.accept()
    folder.identity.check()
    if not folder.root.is_dir():
        raise NotFound(f"There is no checkpoint store in {folder.root}.", field="store", hint="Say --store FOLDER.")
    checkpoints, artifacts = _list_expected(settings, folder)
    health = checking.check(folder, checkpoints, expected_artifacts=artifacts)
    moved = checking.repair(folder, health, datetime.now(UTC)) if repair and not health.is_whole else []
    if as_json:
        print_json({**asdict(health), "is_whole": health.is_whole, "moved": moved})
    else:
        _show(health, moved)
    return Exit.OK if health.is_whole or moved else Exit.ERROR


def _list_expected(settings: Settings, folder: Folder) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return run and id of each checkpoint and artifact that should lie here; none if the tracker does not answer.

    The tracker names those of all its runs, because the whole folder of a run may be gone. It keeps artifacts in the
    store of its own machine, which this folder is if the artifacts' folder is there.
    """
    pairs, artifacts = list[tuple[str, str]](), list[tuple[str, str]]()
    try:
        with Client(settings=settings, timeout_seconds=5, retries=0) as client:
            for run in sorted({*folder.runs(), *_list_runs(client)}):
                pairs.extend(_list_known(client, run, folder.root.absolute()))
                if (folder.root / "artifacts").is_dir():
                    artifacts.extend(_list_artifacts(client, run))
    except KeepbestError as error:
        limit = "this check does not notice a checkpoint whose manifest or folder is gone"
        warn(f"The tracker cannot be asked ({error.message.rstrip('.')}), so {limit}.")
    return pairs, artifacts


def _list_artifacts(client: Client, run: str) -> Iterator[tuple[str, str]]:
    with suppress(NotFound):
        page = client.files.list(run, versions=True, limit=_FILES_A_PAGE)
        yield from ((run, artifact.id) for artifact in page.artifacts)
        while page.cursor is not None:
            page = client.files.list(run, versions=True, cursor=page.cursor, limit=_FILES_A_PAGE)
            yield from ((run, artifact.id) for artifact in page.artifacts)


def _list_runs(client: Client) -> Iterator[str]:
    page = client.runs(limit=_RUNS_A_PAGE)
    yield from (run.id for run in page.runs)
    while page.cursor is not None:
        page = client.runs(cursor=page.cursor, limit=_RUNS_A_PAGE)
        yield from (run.id for run in page.runs)


def _list_known(client: Client, run: str, root: Path) -> list[tuple[str, str]]:
    try:
        known = client.checkpoints(run).checkpoints
    except NotFound:
        return []  # a run of another tracker, or of none
    here = [checkpoint for checkpoint in known if Path(checkpoint.location).is_relative_to(root)]
    return [(run, checkpoint.id) for checkpoint in here if checkpoint.state is CheckpointState.DURABLE]


def _show(health: StoreHealth, moved: list[str]) -> None:
    table = Table(("what", "file", "whose", "why"), empty="")
    for finding in sorted(health.findings, key=lambda finding: (not finding.is_fault, finding.path)):
        table.add(finding.kind, finding.path, ", ".join(_owners_of(finding)) or "-", finding.what)
    if table.rows:
        print_table(table)
    counts = f"{counted(health.checkpoints, 'checkpoint')} and {counted(health.artifacts, 'artifact')}"
    say(f"{counts}, {size(health.bytes_read)} read: {_verdict(health.findings)}.")
    if moved:
        say(f"{counted(len(moved), 'file')} moved aside, below aside/; everything else loads.")
    elif not health.is_whole:
        warn("Nothing was changed; `keepbest fsck --repair` moves what is bad aside.")


def _owners_of(finding: StoreFault) -> list[str]:
    """Return the ids of the checkpoints that a finding costs, and of the artifacts with the word."""
    return [*finding.checkpoints, *(f"artifact {id}" for id in finding.artifacts)]


def _verdict(findings: list[StoreFault]) -> str:
    faults = sum(finding.is_fault for finding in findings)
    others = len(findings) - faults
    more = f", {others} more that only take room" if others else ""
    return (f"{faults} faults" if faults else "all is what was written") + more
