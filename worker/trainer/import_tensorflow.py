"""Imports TensorFlow without the dozen lines that it prints on every machine, so that a run's log begins with the run.

TensorFlow's C++ code writes them straight to the file descriptor of standard error, before it reads its log levels.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} .*"
    rb"|E\d{4} .*failed call to cuInit"
    rb"|To enable the following instructions: )"
)


def import_tensorflow() -> None:
    """Import TensorFlow, and then print its unusual messages. This touches no device."""
    if "keras" in sys.modules:
        return
    with _filtered_stderr(), _uncollected():
        import keras  # noqa: F401  # imports TensorFlow


def find_devices() -> None:
    """Make TensorFlow take its devices, with a GPU's memory. Prints messages as `import_tensorflow` does."""
    with _filtered_stderr():
        import tensorflow as tf

        tf.config.list_logical_devices()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile, and never search the present objects later: a million, of which none is garbage.

    This saves a fifth of the import's time, and 0.4 s in each full collection while the run trains.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


@contextmanager
def _filtered_stderr() -> Iterator[None]:
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sink.seek(0)
            os.write(2, b"".join(line for line in sink if not _NOISE.match(line)))
