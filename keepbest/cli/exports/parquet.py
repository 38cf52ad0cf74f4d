"""Tables as Parquet, by pyarrow, which only this needs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from keepbest.errors import KeepbestError

ENDING = ".parquet"
#: Bytes of CSV that become a group of rows.
_BLOCK = 16 * 2**20
_POINTS = {
    "run": "string", "name": "string", "key": "string", "segment": "int32", "step": "int64", "epoch": "float64",
    "time": "float64", "value": "float64",
}  # fmt: skip


def check_installed() -> None:
    """Raise KeepbestError where pyarrow is not installed."""
    _load("pyarrow")


def write_points(source: Path, sink: BinaryIO) -> None:
    """Write a CSV file of points as Parquet, a block at a time; numbers stay exactly what they are."""
    arrow, csv, parquet = _load("pyarrow"), _load("pyarrow.csv"), _load("pyarrow.parquet")
    types = {name: getattr(arrow, kind)() for name, kind in _POINTS.items()}
    options = csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False)
    reading = csv.ReadOptions(block_size=_BLOCK)
    with (
        csv.open_csv(source, read_options=reading, convert_options=options) as reader,
        parquet.ParquetWriter(sink, reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)


def write_records(records: Sequence[dict[str, Any]], sink: BinaryIO) -> None:
    """Write records as Parquet; a column whose values are of several types is text."""
    arrow, parquet = _load("pyarrow"), _load("pyarrow.parquet")
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: _to_column(arrow, [record.get(name) for record in records]) for name in names}
    parquet.write_table(arrow.table(columns), sink)


def _to_column(arrow: Any, values: list[Any]) -> Any:
    try:
        return arrow.array(values)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError):
        return arrow.array([None if value is None else str(value) for value in values])


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        hint = "Install the extra `parquet`, in a clone of keepbest: pip install '.[parquet]'; or say --as csv."
        raise KeepbestError("Parquet needs pyarrow, which is not installed here.", hint=hint) from None
