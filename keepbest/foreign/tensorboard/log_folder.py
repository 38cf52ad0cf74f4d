"""The runs under a folder of TensorBoard's logs. The folders of one training become one run.

Keras writes `train` and `validation` side by side, and `epoch_loss` into both: they become `loss` and `val_loss`. A
writer of hyperparameters adds a folder whose name is a moment below the run's own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from keepbest.contract.names import to_name
from keepbest.errors import InvalidInput, NotFound
from keepbest.foreign.foreign_run import ForeignRun, Part
from keepbest.foreign.monitor import guess_monitor
from keepbest.foreign.tensorboard.event_folder import MARK, EventFolder, find_files
from keepbest.foreign.tensorboard.merge import merge
from keepbest.foreign.tensorboard.tally import Tally
from keepbest.status import RunState

_TRAIN = frozenset({"train", "training"})
_BESIDE = {"validation": "val_", "valid": "val_", "val": "val_", "eval": "val_", "test": "test_"}
#: A folder of hyperparameters, as tensorboardX and PyTorch name it: seconds since 1970.
_SESSION = re.compile(r"\d{9,11}(\.\d+)?")
#: More folders than this are no logs.
MAX_FOLDERS = 100_000
_EPOCH, _EVALUATION = "epoch_", "evaluation_"


def read_log_folder(folder: Path) -> Iterator[ForeignRun]:
    """Yield the runs under a folder, in the order of their paths. Each file is read once here, and once for its parts.

    Raises NotFound if there is no such folder, InvalidInput if it holds no event files.
    """
    runs = find_runs(folder)
    if not runs:
        raise InvalidInput(
            f"{folder} holds no event files.", hint=f'Their names hold "{MARK}": name the folder that holds them.'
        )
    for files in runs:
        yield files.describe()


def find_runs(folder: Path) -> list[RunFiles]:
    """Return the files of each run under a folder, in the order of their paths; raises NotFound without a folder."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.", hint="Name the folder that TensorBoard is started with.")
    groups = _group(list(_find_folders(folder)))
    return [RunFiles(folder, root, tuple(members)) for root, members in sorted(groups.items())]


def _find_folders(folder: Path) -> Iterator[Path]:
    for count, (path, folders, files) in enumerate(os.walk(folder)):
        if count >= MAX_FOLDERS:
            raise InvalidInput(f"{folder} holds more than {MAX_FOLDERS:,} folders.", hint="Name a folder within it.")
        folders.sort()
        if any(MARK in name for name in files) and find_files(Path(path)):
            yield Path(path)


class _Member(NamedTuple):
    """A folder of a run. `prefix` is what the names of its metrics begin with; None: they keep their names."""

    path: Path
    prefix: str | None


def _group(folders: list[Path]) -> dict[Path, list[_Member]]:
    """Return the folders of each run by the run's own folder."""
    known, groups = set(folders), dict[Path, list[_Member]]()
    trained = {folder.parent for folder in folders if folder.name in _TRAIN}
    top = min((len(folder.parts) for folder in folders), default=0)
    for folder in folders:
        name, parent = folder.name, folder.parent
        is_inside = parent in known or len(folder.parts) > top or parent in trained
        prefix: str | None = None
        if name in _TRAIN and is_inside:
            prefix, folder = "", parent
        elif name in _BESIDE and (parent in known or parent in trained):
            prefix, folder = _BESIDE[name], parent
        elif parent in known and _SESSION.fullmatch(name):
            folder = parent
        groups.setdefault(folder, []).append(_Member(parent / name, prefix))
    return groups


@dataclass(frozen=True)
class RunFiles:
    """The files of one run below the folder that the user named."""

    logs: Path
    root: Path
    members: tuple[_Member, ...]
    tallies: list[Tally] = field(default_factory=list)

    def read_parts(self) -> Iterator[Part]:
        """Yield what the files hold by now, from their beginning."""
        self.tallies[:] = [Tally()]
        owners: dict[str, Path] = {}
        folders = (EventFolder(member.path, _name_keys(member, owners)) for member in self.members)
        yield from merge([folder.read(self.tallies[0]) for folder in folders])

    def measure(self) -> int:
        """Return the bytes of all files, by which one sees that a writer went on."""
        return sum(path.stat().st_size for member in self.members for path in find_files(member.path))

    def describe(self) -> ForeignRun:
        """Return the run, with what only the files say: its parameters, moments, monitor."""
        for _ in self.read_parts():
            pass
        tally = self.tallies[0]
        guess = guess_monitor(tally.points)
        path = self.root.relative_to(self.logs)
        name = self.logs.resolve().name if path == Path() else path.as_posix()
        return ForeignRun(
            "tensorboard",
            str(self.root.resolve()),
            name=to_name(name) or "run",
            parts=self.read_parts,
            project=to_name(self.logs.resolve().name) or None,
            state=tally.session.state or RunState.FINISHED,
            started_at=_as_moment(tally.first),
            ended_at=_as_moment(tally.last),
            parameters=tally.session.parameters,
            place=str(self.root),
            monitor=guess[0] if guess else None,
            mode=guess[1] if guess else None,
            is_guessed=guess is not None,
            left_out=lambda: list(self.tallies[0].say_missing()),
        )


def _name_keys(member: _Member, owners: dict[str, Path]) -> Callable[[str], str]:
    """Return what names the metrics of a folder; a name that another folder of the run has keeps the folder's."""

    def name_key(tag: str) -> str:
        if member.prefix is None or (member.prefix and tag.startswith(_EVALUATION)):
            key = tag
        else:
            key = f"{member.prefix}{tag.removeprefix(_EPOCH)}"
        is_own = owners.setdefault(key, member.path) == member.path
        return key if is_own else f"{member.path.name}/{tag}"

    return name_key


def _as_moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
