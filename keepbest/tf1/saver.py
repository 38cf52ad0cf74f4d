"""Imports the files of a `tf.train.Saver` as a checkpoint in a store, with a digest for every variable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepbest.checkpoint import CheckpointInfo, Store, Written
from keepbest.checkpoint.files.dtypes import code_of
from keepbest.checkpoint.restore import open_store
from keepbest.contract.base import new_id
from keepbest.errors import CheckpointDamaged, InvalidInput, NotFound
from keepbest.snapshots.state import Position, State, VariableSpec
from keepbest.stopping import Mode

#: A variable that `tf.train.Checkpoint` adds, and a Saver does not.
_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_FILE = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_STEP = re.compile(r"-(\d{1,15})$")


def import_saver(
    prefix: Path | str,
    store: Store | Path | str | None = None,
    *,
    run: str | None = None,
    step: int | None = None,
    value: float | None = None,
    mode: Mode | None = None,
    monitor: str | None = None,
    now: datetime | None = None,
) -> Written:
    """Import the variables that a `tf.train.Saver` saved under `prefix` (or last in a folder) into a store.

    `step` is by default the variable `global_step`, else the number at the end of the prefix, else 0. With `value`
    and `mode` the checkpoint may be the best of its run.

    Raises:
        NotFound: There is no such file.
        CheckpointDamaged: TensorFlow cannot read the file.
        InvalidInput: The file is a `tf.train.Checkpoint`, the step is negative, or a value came without its mode.
        CheckpointError: A variable is of a type that a store does not hold, such as text.
    """
    if (value is None) != (mode is None):
        raise InvalidInput("Give value and mode together, or neither.", field="mode")
    if step is not None and step < 0:
        raise InvalidInput(f"A step is 0 or more, but got {step}.", field="step")
    saved = _FILE.sub("", str(prefix))
    specs, values = _read(saved)
    position = Position(_find_step(saved, specs, values) if step is None else step)
    about = CheckpointInfo(
        run=run or new_id(),
        at=now or datetime.now(UTC),
        kind="manual",
        value=value,
        mode=mode,
        monitor=monitor,
        environment={"imported": Path(saved).name},
    )
    return open_store(store).write(State(position, specs, values), about)


def _read(prefix: str) -> tuple[tuple[VariableSpec, ...], tuple[Any, ...]]:
    """Return the descriptions and values of all variables, in the order of their names."""
    import numpy as np
    import tensorflow as tf

    with _explained(prefix):
        reader = tf.train.load_checkpoint(prefix)
        dtypes = reader.get_variable_to_dtype_map()
        _check(dtypes, prefix)
        names = sorted(dtypes)
        values = tuple(np.asarray(reader.get_tensor(name)) for name in names)
    specs = (
        VariableSpec("model", index, name, values[index].shape, dtypes[name].base_dtype.name)
        for index, name in enumerate(names)
    )
    return tuple(specs), values


def _check(dtypes: dict[str, Any], prefix: str) -> None:
    """Raise, before reading any value, if the variables cannot be stored."""
    if _OBJECT_GRAPH in dtypes:
        raise InvalidInput(
            f"{prefix} is a file of tf.train.Checkpoint, which saves variables by objects and not by names.",
            hint="Load it with tf.train.Checkpoint into its model, and train or save that model with keepbest.",
        )
    for dtype in dtypes.values():
        code_of(dtype.base_dtype.name)


@contextmanager
def _explained(prefix: str) -> Iterator[None]:
    """Turn TensorFlow's errors into keepbest's."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.NotFoundError, ValueError) as error:
        raise NotFound(
            f"There is no checkpoint of a tf.train.Saver at {prefix}.",
            hint="Name the files without their suffixes: model-1000 for model-1000.index.",
        ) from error
    except (tf.errors.OpError, RuntimeError) as error:
        raise CheckpointDamaged(f"TensorFlow cannot read {prefix}: {str(error).splitlines()[0]}") from error


def _find_step(prefix: str, specs: tuple[VariableSpec, ...], values: tuple[Any, ...]) -> int:
    for spec, value in zip(specs, values, strict=True):
        if spec.path == "global_step" and spec.shape == () and spec.dtype in ("int64", "int32"):
            return max(0, int(value))
    match = _STEP.search(prefix)
    return int(match[1]) if match else 0
