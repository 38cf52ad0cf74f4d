"""Old files: what a `tf.train.Saver` wrote becomes a checkpoint in a store, with a digest for every variable."""

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

#: What `tf.train.Checkpoint` adds, and no Saver does.
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
    """Write what a `tf.train.Saver` saved under `prefix` (or the newest in a folder) into a store, name by name.

    `step` is by default the variable `global_step`, else the number at the end of the prefix, else 0. With `value`
    and `mode` it takes part in which checkpoint of the run is the best.

    Raises:
        NotFound: There is no such file.
        CheckpointDamaged: TensorFlow cannot read it.
        InvalidInput: It is a `tf.train.Checkpoint`, the step is negative, or a value came without its mode.
        CheckpointError: A variable is of a type that a store does not hold, such as text.
    """
    if (value is None) != (mode is None):
        raise InvalidInput("A value says something only with its mode, and the other way round.", field="mode")
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
    """Return every variable in the order of the names, and its value."""
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
    """Refuse what cannot be stored before any of it is read."""
    if _OBJECT_GRAPH in dtypes:
        raise InvalidInput(
            f"{prefix} was written by tf.train.Checkpoint, whose variables are filed under objects, not under names.",
            hint="Load it with tf.train.Checkpoint into its model, and train or save that with keepbest.",
        )
    for dtype in dtypes.values():
        code_of(dtype.base_dtype.name)


@contextmanager
def _explained(prefix: str) -> Iterator[None]:
    """Turn what TensorFlow says of a file into our errors."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.NotFoundError, ValueError) as error:
        raise NotFound(
            f"There is no checkpoint of a tf.train.Saver at {prefix}.",
            hint="Name the files without their endings: model-1000 for model-1000.index.",
        ) from error
    except (tf.errors.OpError, RuntimeError) as error:
        raise CheckpointDamaged(f"TensorFlow cannot read {prefix}: {str(error).splitlines()[0]}") from error


def _find_step(prefix: str, specs: tuple[VariableSpec, ...], values: tuple[Any, ...]) -> int:
    for spec, value in zip(specs, values, strict=True):
        if spec.path == "global_step" and spec.shape == () and spec.dtype in ("int64", "int32"):
            return max(0, int(value))
    match = _STEP.search(prefix)
    return int(match[1]) if match else 0
