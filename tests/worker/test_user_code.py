"""A user's own code, good and bad, from upload to end. All at once: starting TensorFlow is what takes long.

What else goes wrong before anything is built is in tests/worker/trainer/test_user_code.py, without a process each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keepbest.client import bundle
from keepbest.contract.runs import Run
from keepbest.status import RunState
from tests.support.need import need_tensorflow
from tests.support.service import Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MODEL = """
import os, sys, keras, numpy as np

def make():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = np.ones((40, 2), "float32")
    return model, (x, x[:, :1]), (x, x[:, :1])
"""
RAISES_LATER = """
class Trap(keras.layers.Layer):
    calls = 0
    def call(self, x, training=False):
        Trap.calls += bool(training)
        if Trap.calls > 12:
            raise ValueError("trap in a layer")
        return x

def build():
    model = keras.Sequential([Trap(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model, *make()[1:]
"""
SEGFAULTS = """
def build():
    import signal
    os.kill(os.getpid(), signal.SIGSEGV)
"""
OWN_NAMES = """
import glob, worker, tracker
def build(units: int = 1):
    print(f"these are {worker.WHOSE} and {tracker.WHOSE}, in {sorted(glob.glob('*.py'))}")
    model = keras.Sequential([keras.layers.Dense(1), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model, *make()[1:]
"""


@dataclass(frozen=True)
class Case:
    """What is submitted, and how the run must end."""

    code: str
    state: RunState = RunState.FAILED
    error: str = "code_failed"
    message: str = ""
    trace: str = ""
    monitor: str = "val_loss"
    mode: str = "min"
    selector: str = "best"


CASES = {
    "good": Case(OWN_NAMES, RunState.FINISHED, mode="auto", selector="top_k_average"),
    "memory": Case("def build(): bytearray(1 << 62)", error="out_of_memory", trace="in build"),
    "later": Case(RAISES_LATER, message="trap in a layer", trace="in call"),
    "segfault": Case(SEGFAULTS, error="crashed", message="SIGSEGV", trace="in build"),
    "metric": Case("build = make", error="metric_missing", message="no metric 'val_accuracy'", monitor="val_accuracy"),
    "nan": Case("def build(): m = make(); m[1][1][:] = np.nan; return m", RunState.FINISHED, mode="auto"),
}


@pytest.fixture
def ended(service: Service, tmp_path: Path) -> dict[str, Run]:
    """The runs of all cases, over."""
    need_tensorflow()
    service.start_worker(KEEPBEST_WORKER_SLOTS="3")
    submitted = {name: submit(service, tmp_path / name, case) for name, case in CASES.items()}
    return {name: service.wait_for(run) for name, run in submitted.items()}


def submit(service: Service, folder: Path, case: Case) -> str:
    folder.mkdir()
    for name, code in {"my_model": MODEL + case.code, "worker": "WHOSE = 'mine'", "tracker": "WHOSE = 'yours'"}.items():
        (folder / f"{name}.py").write_text(code)
    archive = bundle.pack(folder).content
    told: dict[str, Any] = {"monitor": case.monitor, "mode": case.mode, "selector": {"name": case.selector}}
    return service.submit_code(archive, **told, max_attempts=1)


def test_every_end_is_told_in_the_user_s_words(ended: dict[str, Run], service: Service) -> None:
    assert {name: run.state for name, run in ended.items()} == {name: case.state for name, case in CASES.items()}
    for name, case in CASES.items():
        if case.state is RunState.FAILED:
            check_error(name, case, ended[name])
    check_good(service, ended["good"])
    assert ended["nan"].stop_reason == "non_finite"
    assert ended["nan"].best_step is None


def check_error(name: str, case: Case, run: Run) -> None:
    assert run.error is not None, name
    assert run.error.code == case.error, (name, run.error)
    assert case.message in run.error.message, name
    assert case.trace in (run.error.traceback or ""), (name, run.error.traceback)
    assert run.error.hint, name
    if name != "segfault":  # there Python itself says where it was
        assert "worker/trainer" not in (run.error.traceback or ""), name


def check_good(service: Service, run: Run) -> None:
    assert (run.mode.value, run.best_step, run.validations) == ("min", 20, 2)
    assert "these are mine and yours, in ['my_model.py', 'tracker.py', 'worker.py']" in service.logs(run.id)
    assert run.test is None
    check_average(service, run)


def check_average(service: Service, run: Run) -> None:
    """Of two validations the average: with batch statistics measured anew it is better than either."""
    made = run.selection
    assert made is not None
    assert (len(made.trials), len(made.made_of), made.batches) == (1, 2, 2)
    assert made.value < (run.best_value or 0)
    chosen = next(one for one in service.client.checkpoints(run.id).checkpoints if one.is_selected)
    assert (chosen.id, chosen.kind, chosen.value, chosen.n) == (made.checkpoint, "selected", made.value, 40)
    assert run.best_checkpoint == made.made_of[0]
