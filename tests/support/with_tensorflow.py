"""Run a module that works with TensorFlow: `python -m tests.support.with_tensorflow MODULE ARGUMENT …`.

TensorFlow is imported as the trainer does it, which takes three fifths of the time.
"""

from __future__ import annotations

import runpy
import sys

from worker.trainer.import_tensorflow import import_tensorflow

if __name__ == "__main__":
    import_tensorflow()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
