"""Where the processes of the table leave things for each other: a folder for each kind."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.kinds.cell import Cell
from tests.support.kinds.kind import Kind


class Place:
    def __init__(self, root: Path, kind: Kind) -> None:
        self.folder = root / re.sub(r"\W+", "-", kind.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        #: The store as training left it, and one for whoever goes on.
        self.store, self.store_to_go_on = self.folder / "store", self.folder / "go-on"
        #: What Keras writes itself, and what keepbest exports.
        self.theirs, self.ours = self.folder / "theirs", self.folder / "ours"

    def write(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(value))

    def read(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    def write_arrays(self, name: str, arrays: list[Any]) -> None:
        np.savez(self.folder / f"{name}.npz", *arrays)

    def read_arrays(self, name: str) -> list[Any]:
        with np.load(self.folder / f"{name}.npz") as file:
            return [file[key] for key in file.files]

    def tell(self, process: str, cells: Mapping[str, Cell]) -> None:
        self.write(process, {road: asdict(cell) for road, cell in cells.items()})

    def hear(self, process: str) -> dict[str, Cell]:
        return {road: Cell(**cell) for road, cell in self.read(process).items()}
