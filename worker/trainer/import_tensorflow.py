"""Import TensorFlow without the dozen lines it prints on every machine, so that a run's log begins with the run.

They are written by C++ before its log levels are set, straight to the file descriptor of standard error.
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
    """Import TensorFlow; what it says beside the usual is printed afterwards. No device is touched."""
    if "keras" in sys.modules:
        return
    with _filtered_stderr(), _uncollected():
        import keras  # noqa: F401  # imports TensorFlow


def find_devices() -> None:
    """Have TensorFlow take its devices: from now on a GPU's memory is ours. Prints as `import_tensorflow` does."""
    with _filtered_stderr():
        import tensorflow as tf

        tf.config.list_logical_devices()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile, nor ever in what is there afterwards: a million objects, of which none goes.

    It is a fifth of the import, and four tenths of a second in each full collection while the run trains.
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
