"""What W&B's scripts wrap a value in before they log it: images, histograms, tables, HTML, sounds, files.

Nothing here raises for a value that is none: `log` leaves it out with a warning.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from keepbest.contract.panels import Histogram as PanelHistogram
from keepbest.contract.panels import HistogramsData
from keepbest.errors import InvalidInput
from keepbest.tracking.media import MAX_SIDE
from keepbest.tracking.wandb.keeper import Keeper
from keepbest.tracking.wandb.pictures import read_picture
from keepbest.tracking.wandb.warnings import warn_once

MAX_BINS = 200
MAX_CAPTION = 200
#: Bytes of a sample of a sound.
_SAMPLE = 2


class Logged:
    """A value that `log` keeps in another way than as a number."""

    def keep(self, keeper: Keeper, name: str) -> None:
        """Keep the value under a name; raises InvalidInput for what cannot be kept."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Image(Logged):
    """An image: an array, a tensor, a file, a PIL image or a figure.

    Up to 512 pixels a side it is a panel, else a file. Fractions are from 0 to 1, or from -1 to 1. Boxes and masks are
    left out.
    """

    def __init__(
        self, data_or_path: Any, mode: str | None = None, caption: str | None = None, *more: Any, **others: Any
    ) -> None:
        self.caption = str(caption or "")[:MAX_CAPTION]
        if more or any(others.get(name) for name in ("boxes", "masks")):
            warn_once("boxes and masks of an image are left out; the image is kept.")
        source = data_or_path.picture if isinstance(data_or_path, Image) else data_or_path
        self.picture: Any = _copy(source)

    def keep(self, keeper: Keeper, name: str) -> None:
        from keepbest.panels.png import encode_png

        picture = read_picture(self.picture)
        if isinstance(picture, Path):
            keeper.keep_file(name, picture, picture.suffix.lower() or ".png")
        elif isinstance(picture, bytes):
            keeper.keep_file(name, picture, ".png")
        elif max(picture.shape) > MAX_SIDE:
            keeper.keep_file(name, encode_png(picture), ".png")
        else:
            keeper.keep_image(name, picture, self.caption)


class Histogram(Logged):
    """A histogram of a sequence, or a ready one: `np_histogram=(counts, edges)`."""

    def __init__(self, sequence: Any = None, np_histogram: Any = None, num_bins: int = 64) -> None:
        self._sequence, self._ready = _copy(sequence), np_histogram

    def keep(self, keeper: Keeper, name: str) -> None:
        import numpy as np

        from keepbest.panels.histograms import spread

        if self._ready is None:
            keeper.keep_panel(name, spread({name: np.asarray(self._sequence, np.float64)}))
            return
        counts, edges = (np.asarray(part, np.float64).ravel() for part in self._ready)
        if len(edges) != len(counts) + 1 or not len(counts) or not np.isfinite([*counts, *edges]).all():
            raise InvalidInput("A ready histogram has counts, and one edge more.")
        width = -(-len(counts) // MAX_BINS)
        whole = np.add.reduceat(np.maximum(np.rint(counts), 0).astype(np.int64), np.arange(0, len(counts), width))
        kept_edges = [*edges[:-1:width].tolist(), float(edges[-1])]
        histogram = PanelHistogram(name=name[:200], shape=[int(whole.sum())], edges=kept_edges, counts=whole.tolist())
        keeper.keep_panel(name, HistogramsData(kind="histograms", of="outputs", histograms=[histogram]))


class Table(Logged):
    """A table of named columns; `log` keeps it as an artifact that the run's page shows."""

    def __init__(
        self, columns: Sequence[Any] | None = None, data: Any = None, rows: Any = None, dataframe: Any = None, **_: Any
    ) -> None:
        source: Any = next((value for value in (dataframe, data, rows) if value is not None), None)
        is_frame = hasattr(source, "iloc") and hasattr(source, "columns")
        self.columns: list[Any] = list(source.columns if is_frame and columns is None else columns or [])
        listed = source.to_numpy().tolist() if is_frame else source.tolist() if hasattr(source, "tolist") else source
        self.data: list[list[Any]] = [list(row) for row in listed or []]
        if not self.columns and self.data:
            self.columns = [str(place) for place in range(len(self.data[0]))]

    def add_data(self, *row: Any) -> None:
        """Add a row; cells that it lacks are None."""
        self.data.append([*row[: len(self.columns)], *[None] * (len(self.columns) - len(row))])

    def add_column(self, name: str, data: Sequence[Any]) -> None:
        """Add a column."""
        values = list(data)
        self.data = self.data or [[None] * len(self.columns) for _ in values]
        self.columns.append(name)
        for row, value in zip(self.data, values, strict=False):
            row.append(value)

    def get_column(self, name: str, convert_to: str | None = None) -> Any:
        """Return a column; `convert_to="numpy"` as an array."""
        place = self.columns.index(name)
        column = [row[place] for row in self.data]
        if convert_to != "numpy":
            return column
        import numpy as np

        return np.asarray(column)

    def keep(self, keeper: Keeper, name: str) -> None:
        width = len(self.columns)
        rows = [[*row[:width], *[None] * (width - len(row))] for row in self.data]
        names: dict[str, list[Any]] = {}
        for place, column in enumerate(self.columns):
            key = str(column) if str(column) not in names else f"{column} ({place})"
            names[key] = [row[place] for row in rows]
        keeper.keep_table(name, names)


class Html(Logged):
    """A page of HTML, as text, as a file or as an open file. It is kept as a file, and never runs in the dashboard."""

    def __init__(self, data: Any, inject: bool = True, data_is_not_path: bool = False) -> None:
        is_path = isinstance(data, os.PathLike) or (isinstance(data, str) and data.endswith(".html"))
        self._source = Path(data) if is_path and not data_is_not_path else data

    def keep(self, keeper: Keeper, name: str) -> None:
        source = self._source.read() if hasattr(self._source, "read") else self._source
        keeper.keep_file(name, source if isinstance(source, Path) else _encode(source), ".html")


class MediaFile(Logged):
    """A video, a molecule or a 3D object: its file is kept."""

    ENDING = ".bin"

    def __init__(self, data_or_path: Any, *_: Any, **others: Any) -> None:
        self._source = data_or_path
        self._ending = f".{others['format']}" if others.get("format") else self.ENDING

    def keep(self, keeper: Keeper, name: str) -> None:
        source = self._source.getvalue() if isinstance(self._source, BytesIO) else self._source
        if isinstance(source, str | os.PathLike):
            keeper.keep_file(name, source, Path(source).suffix.lower() or self._ending)
        elif isinstance(source, bytes):
            keeper.keep_file(name, source, self._ending)
        else:
            raise InvalidInput(f"A {type(self).__name__} is kept from a file; write it to one first.")


class Video(MediaFile):
    """A video, from its file."""

    ENDING = ".mp4"


class Object3D(MediaFile):
    """A 3D object, from its file."""

    ENDING = ".obj"


class Molecule(MediaFile):
    """A molecule, from its file."""

    ENDING = ".pdb"


class Audio(MediaFile):
    """A sound: a file, or samples from -1 to 1 with their rate."""

    ENDING = ".wav"

    def __init__(self, data_or_path: Any, sample_rate: int | None = None, caption: str | None = None) -> None:
        is_file = isinstance(data_or_path, str | os.PathLike | bytes)
        super().__init__(data_or_path if is_file else _to_wav(data_or_path, sample_rate or 44_100))


def to_logged(value: Any) -> Logged | None:
    """Return what an unwrapped value is logged as: a figure, a frame, an image of PIL, an array; None for no such."""
    if isinstance(value, Logged):
        return value
    if hasattr(value, "savefig") or (hasattr(value, "convert") and hasattr(value, "getbands")):
        return Image(value)
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        return Table(dataframe=value)
    if hasattr(value, "to_html") and type(value).__module__.partition(".")[0] == "plotly":
        return Html(value.to_html(include_plotlyjs="cdn"), data_is_not_path=True)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return Histogram(value)
    if isinstance(value, Sequence) and value and all(type(item) in (int, float) for item in value):
        return Histogram(value)
    return None


def _copy(source: Any) -> Any:
    """Return an array of its own, because a script may change the original before it logs the image."""
    return source.copy() if type(source).__module__ == "numpy" and hasattr(source, "copy") else source


def _encode(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode(errors="replace")


def _to_wav(samples: Any, rate: int) -> bytes:
    import wave

    import numpy as np

    array = np.nan_to_num(np.asarray(samples, np.float64))
    array = array[:, np.newaxis] if array.ndim == 1 else array
    whole = array if np.abs(array).max(initial=0) > 1 else array * 32_767
    sound = BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(array.shape[1])
        file.setsampwidth(_SAMPLE)
        file.setframerate(int(rate))
        file.writeframes(np.clip(np.rint(whole), -32_768, 32_767).astype("<i2").tobytes())
    return sound.getvalue()


def classes_of(names: Any, count: int) -> list[str]:
    """Return a name for each class."""
    listed = list(names.values()) if isinstance(names, Mapping) else list(names or [])
    return [str(name) for name in listed] + [str(place) for place in range(len(listed), count)]
