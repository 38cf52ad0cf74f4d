"""W&B's artifact: files that a script gathers under one name and keeps with its run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.tracking.wandb.warnings import warn_once


class Artifact:
    """Files under one name: `artifact.add_file("model.keras"); run.log_artifact(artifact)`.

    Each file becomes an artifact of the run at NAME/FILE, which `run.use_artifact` reads back.
    """

    def __init__(
        self,
        name: str,
        type: str = "",
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self.name, self.type, self.description = str(name), str(type), description
        self.metadata = dict(metadata or {})
        self._files: list[tuple[str, Path | bytes]] = []

    def add_file(self, local_path: str | os.PathLike[str], name: str | None = None, **_: Any) -> None:
        """Add a file."""
        self._files.append((name or Path(local_path).name, Path(local_path)))

    def add_dir(self, local_path: str | os.PathLike[str], name: str | None = None, **_: Any) -> None:
        """Add all files of a folder."""
        self._files.append((name or "", Path(local_path)))

    @contextmanager
    def new_file(self, name: str, mode: str = "w", encoding: str | None = "utf-8") -> Iterator[Any]:
        """Add a file that the block writes."""
        content = BytesIO()
        sink: Any = content if "b" in mode else TextIOWrapper(content, encoding=encoding, write_through=True)
        yield sink
        self._files.append((name, content.getvalue()))

    def add(self, obj: Any, name: str) -> None:
        """Leave a table or picture out, with a warning: `run.log` keeps those."""
        warn_once("an artifact keeps files; run.log keeps tables and pictures.")

    def add_reference(self, uri: str, *_: Any, **__: Any) -> None:
        """Leave an address out, with a warning."""
        warn_once("an artifact keeps files; an address that it refers to is left out.")

    def wait(self, timeout: float | None = None) -> Artifact:
        """Return the artifact: the run sends its files beside training."""
        return self

    def keep_with(self, keep: Callable[[Path | bytes, str], object]) -> None:
        """Hand every file with its path in the run to `keep`."""
        for name, source in self._files:
            try:
                keep(source, f"{self.name}/{name}" if name else self.name)
            except InvalidInput as error:
                warn_once(f"a file of artifact {self.name!r:.200} is left out: {error.message}")
