"""Where the values of `log` go that are no numbers: pictures become panels, all else becomes files of the run."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keepbest.contract.names import to_name
from keepbest.contract.panels import PanelData
from keepbest.tracking.artifacts import ArtifactLogger
from keepbest.tracking.media import MediaLogger

#: The folder of a run's artifacts that holds what `log` kept.
FOLDER = "media"
MAX_PATH = 150
_UNUSUAL = re.compile(r"[^\w./ ()=+-]")


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps what one call of `log` holds, at its step."""

    media: MediaLogger
    files: ArtifactLogger
    step: int

    def keep_panel(self, name: str, data: PanelData) -> None:
        """Keep a panel of `keepbest.contract.panels`."""
        self.media.log_panel(to_name(name) or FOLDER, data, self.step)

    def keep_image(self, name: str, pixels: Any, caption: str) -> None:
        """Keep an image of shape (height, width, 1 or 3), of bytes."""
        self.media.log_image(to_name(name) or FOLDER, pixels, self.step, caption=caption)

    def keep_confusion(self, name: str, true: Any, predicted: Any, classes: Sequence[str]) -> None:
        """Keep a confusion matrix of two lists of class numbers."""
        self.media.log_confusion(to_name(name) or FOLDER, true, predicted, classes, self.step)

    def keep_table(self, name: str, rows: Any) -> None:
        """Keep a table; the same name again is a new version of it."""
        self.files.log_table(rows, place_of(name, ".json"))

    def keep_file(self, name: str, source: str | os.PathLike[str] | bytes, ending: str) -> None:
        """Keep a file; the same name again is a new version of it."""
        self.files.log_artifact(source, place_of(name, ending))


def place_of(name: str, ending: str) -> str:
    """Return the path in the run of what was logged under a name.

    >>> place_of("val/examples", ".json"), place_of("../../etc/x", ".png")
    ('media/val/examples.json', 'media/etc/x.png')
    """
    plain = _UNUSUAL.sub("_", name)[:MAX_PATH]
    parts = [part.strip(" .") for part in plain.split("/")]
    path = "/".join([part for part in parts if part][:10]) or FOLDER
    return f"{FOLDER}/{path}" if path.lower().endswith(ending) else f"{FOLDER}/{path}{ending}"
