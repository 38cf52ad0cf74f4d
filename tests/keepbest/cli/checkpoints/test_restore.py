"""Restoring through the tracker, without TensorFlow: the store does not care what a value is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from keepbest.checkpoint import CheckpointInfo, Store, Written
from keepbest.checkpoint.restore import choose
from keepbest.cli.checkpoints.partial import Target
from keepbest.cli.common.errors import Exit
from keepbest.contract.base import CheckpointKind
from keepbest.contract.runs import Mode, RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live
from tests.support.need import need_tensorflow
from tests.support.states import make_state
from tests.support.store import CNN

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def worker(live: Live) -> Iterator[FakeWorker]:
    """A worker that has claimed a run."""
    worker = live.add_worker()
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn")))
    yield worker.claim()
    worker.client.close()


def keep(
    live: Live,
    worker: FakeWorker,
    step: int,
    value: float,
    kind: CheckpointKind = "best",
    network: str | None = '{"layers": []}',
) -> Written:
    """Write a checkpoint into the tracker's store, and say so."""
    told: dict[str, Any] = {"value": value, "monitor": "val_accuracy", "mode": "max"}
    about = CheckpointInfo(run=worker.run, at=datetime.now(UTC), kind=kind, network=network, **told)
    written = Store(live.folder / "store").write(make_state(step, step), about)
    worker.checkpoint(step, value, id=written.manifest.id, kind=kind, digest=written.digest)
    return written


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


@pytest.mark.parametrize(
    ("choice", "step"),
    [([], 200), (["--best"], 200), (["--last"], 300), (["--step", "100"], 100), (["--step", "300"], 300)],
)
def test_the_checkpoint_that_is_meant_is_downloaded(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, choice: list[str], step: int
) -> None:
    validations: list[tuple[int, float, Literal["best", "last"]]] = [
        (100, 0.7, "best"),
        (200, 0.9, "best"),
        (300, 0.8, "last"),
    ]
    for at, value, kind in validations:
        keep(live, worker, at, value, kind)
    done = keepbest("restore", worker.run[:6], *choice, "--to", tmp_path / "out", "--as", "npz")
    assert done.status == 0, done.err
    assert f"of step {step}" in done.err
    found = arrays(tmp_path / "out" / "state.npz")
    assert int(found["optimizer/adam/iteration"]) == step
    assert np.array_equal(found["model/net/head/kernel"], make_state(step, step).values[1])


@pytest.mark.parametrize(
    ("choice", "value"), [([], 0.95), (["--best"], 0.9), (["--last"], 0.8), (["--step", "200"], 0.9)]
)
def test_what_was_selected_goes_before_the_best(
    keepbest: Keepbest, live: Live, worker: FakeWorker, choice: list[str], value: float, tmp_path: Path
) -> None:
    """An average is of no step, and not the last; in a script the mark in the store says which it is."""
    best, store = keep(live, worker, 200, 0.9), Store(live.folder / "store")
    keep(live, worker, 300, 0.8, "last")
    made = keep(live, worker, 200, 0.95, "selected")
    assert choose(store, worker.run).id == best.manifest.id  # not before it is marked
    store.folder.select(worker.run, made.manifest.id)
    worker.finish(selection=selection_of(best, made))
    done = keepbest("restore", worker.run, *choice, "--to", tmp_path / "out", "--as", "npz", "--json")
    assert (done.status, done.json["value"]) == (0, value)
    asked: dict[str, Any] = {
        "best": "--best" in choice,
        "last": "--last" in choice,
        "step": 200 if "200" in choice else None,
    }
    assert choose(store, worker.run, **asked).value == value
    listed = keepbest("checkpoints", worker.run).out
    assert listed.splitlines()[-1] == f"keepbest restore {worker.run} --to restored --as keras"
    assert [line.split()[3:5] for line in listed.splitlines() if "selected" in line] == [["selected", "selected"]]
    assert "by greedy_soup(k=3): the average of steps 200, 300 (1 average tried)" in keepbest("show", worker.run).out


def selection_of(best: Written, made: Written) -> dict[str, Any]:
    first, average = best.manifest, made.manifest
    return {
        "selector": {"name": "greedy_soup", "params": {"k": 3}},
        "checkpoint": average.id, "step": 200, "value": 0.95, "made_of": [first.id, "0" * 12],
        "best_checkpoint": first.id, "best_step": 200, "best_value": 0.9,
        "candidates": [{"checkpoint": first.id, "step": 200, "value": 0.9}],
        "trials": [{"made_of": [first.id, "0" * 12], "value": 0.95, "is_kept": True}],
        "message": "the average of steps 200, 300",
    }  # fmt: skip


def test_by_id_and_as_json(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    written = keep(live, worker, 100, 0.7)
    done = keepbest(
        "restore", worker.run, "--checkpoint", written.manifest.id[:5], "--to", tmp_path / "o", "--as", "npz", "--json"
    )
    assert done.json["id"] == written.manifest.id


def test_a_store_on_this_machine_is_read_directly(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(live, worker, 100, 0.7)
    elsewhere = live.folder / "store"
    mine = tmp_path / "mine"
    elsewhere.rename(mine)
    refused = keepbest("restore", worker.run, "--to", tmp_path / "one", "--as", "npz")
    assert (refused.status, "not in the tracker's store" in refused.err) == (Exit.NOT_FOUND, True)
    monkeypatch.setenv("KEEPBEST_STORE", str(mine))
    assert keepbest("restore", worker.run, "--to", tmp_path / "two", "--as", "npz").status == 0


def test_a_flipped_bit_is_refused(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    keep(live, worker, 100, 0.7)
    pack = next((live.folder / "store" / "objects").rglob("*.safetensors"))
    damaged = bytearray(pack.read_bytes())
    damaged[-1] ^= 1
    pack.write_bytes(damaged)
    refused = keepbest("restore", worker.run, "--to", tmp_path / "out", "--as", "npz")
    assert refused.status == Exit.ERROR
    assert "Traceback" not in refused.err
    assert not (tmp_path / "out" / "state.npz").exists()


def test_a_manifest_of_something_else_is_refused(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path
) -> None:
    written = keep(live, worker, 100, 0.7)
    written.location.write_text('{"evil": "../../x"}')
    refused = keepbest("restore", worker.run, "--to", tmp_path / "out", "--as", "npz")
    assert (refused.status, "manifest" in refused.err) == (Exit.ERROR, True)


@pytest.mark.parametrize(
    ("options", "told", "status"),
    [
        (["--best"], "restore needs --to DIR", Exit.USAGE),
        (["--best", "--step", "1", "--to", "out"], "exclude each other", Exit.USAGE),
        (["--to", "full"], "The folder full is not empty", Exit.USAGE),
        (["--to", "full/file"], "full/file is a file", Exit.USAGE),
        (["--to", "out", "--as", "pickle"], "--as", Exit.USAGE),
        (["--to", "out", "--step", "7"], "the last ones are those of step 100", Exit.NOT_FOUND),
        (["--to", "out", "--checkpoint", "nope"], "no such checkpoint", Exit.NOT_FOUND),
    ],
)
def test_what_cannot_be_restored(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    options: list[str], told: str, status: Exit,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    keep(live, worker, 100, 0.7)
    refused = keepbest("restore", worker.run, *options)
    assert refused.status == status
    assert told in refused.err


@pytest.mark.parametrize(
    ("monitor", "value", "told"), [("loss", 0.7, "validation set"), ("val_loss", None, "no value")]
)
def test_what_cannot_be_measured_again(
    keepbest: Keepbest, live: Live, monitor: str, value: float | None, told: str
) -> None:
    other = live.add_worker(recipes=[CNN.model_copy(update={"metrics": {monitor: Mode.MIN}, "monitor": monitor})])
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), monitor=monitor, mode=Mode.MIN))
    other.claim().checkpoint(100, value, kind="manual")
    refused = keepbest("restore", other.run, "--step", "100", "--verify")
    other.client.close()
    assert (refused.status, told in refused.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(("network", "form"), [('{"layers": []}', "keras"), (None, "npz")])
def test_the_next_step_is_one_that_works(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, network: str | None, form: str
) -> None:
    """A session's checkpoint, and that of a loop over variables, has no network to make a model file of."""
    keep(live, worker, 100, 0.7, network=network)
    worker.finish()
    wanted = f"keepbest restore {worker.run} --best --to restored --as {form}"
    assert keepbest("checkpoints", worker.run).out.splitlines()[-1] == wanted
    assert keepbest("watch", worker.run).out.splitlines()[-1] == f"next: {wanted}"
    if form == "npz":
        assert keepbest(*wanted.split()[1:5], tmp_path / "restored", "--as", form).status == 0


def test_the_next_step_without_a_best_is_the_last(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    store = Store(live.folder / "store")
    written = store.write(make_state(1, 100), CheckpointInfo(run=worker.run, at=datetime.now(UTC), kind="last"))
    worker.checkpoint(100, None, id=written.manifest.id, kind="last", digest=written.digest)
    assert f"keepbest restore {worker.run} --last --to restored --as npz" in keepbest("checkpoints", worker.run).out


def test_a_run_without_checkpoints(keepbest: Keepbest, worker: FakeWorker, tmp_path: Path) -> None:
    refused = keepbest("restore", worker.run, "--to", tmp_path / "out")
    assert (refused.status, "no checkpoint on disk." in refused.err) == (Exit.NOT_FOUND, True)
    assert f"next: `keepbest show {worker.run}`" in refused.err


def test_without_tensorflow_the_other_formats_are_named(
    keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(live, worker, 100, 0.7)
    monkeypatch.setattr("keepbest.cli.checkpoints.fresh_process.find_spec", lambda name: None)
    refused = keepbest("restore", worker.run, "--to", tmp_path / "out")
    assert (refused.status, "--as safetensors" in refused.err) == (Exit.ERROR, True)


MODEL = """
import keras

def build(units: int = 4):
    return keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(units, name="base")], name="net")
"""


def keep_model(live: Live, worker: FakeWorker, code: Path) -> Written:
    """Write a checkpoint of that network into the tracker's store."""
    from keepbest.snapshots.snapshot import ModelVariables, capture
    from keepbest.snapshots.state import Position

    state = capture(ModelVariables(Target(f"{code}:build").build()), position=Position(100))
    told = CheckpointInfo(run=worker.run, at=datetime.now(UTC), value=0.9, mode="max")
    written = Store(live.folder / "store").write(state, told)
    worker.checkpoint(100, 0.9, id=written.manifest.id, digest=written.digest)
    return written


def test_a_plan_into_a_changed_network(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    need_tensorflow()
    code, to = tmp_path / "my_model.py", tmp_path / "to"
    code.write_text(MODEL)
    keep_model(live, worker, code)
    into = ("restore", worker.run, "--into", f"{code}:build")
    same = keepbest(*into, "--plan")
    assert (same.status, "2 of 2 variables fit." in same.out) == (Exit.OK, True)
    wider = keepbest(*into, "--set", "units=5", "--plan", "--json")
    assert (wider.status, {row["kind"] for row in wider.json["variables"]}) == (Exit.PLAN_DIFFERS, {"shape"})
    refused = keepbest(*into, "--set", "units=5", "--to", to)
    assert (refused.status, "shape: model/net/base/kernel [3, 4]" in refused.err) == (Exit.ERROR, True)
    assert keepbest(*into, "--to", to, "--as", "weights").status == Exit.OK
    assert (to / "model.weights.h5").is_file()
    nothing = keepbest(*into, "--set", "units=5", "--partial", "--to", tmp_path / "part")
    assert (nothing.status, "none of its network's 2 variables fits" in nothing.err) == (Exit.ERROR, True)
    code.write_text(MODEL.replace('name="base")', 'name="base"), keras.layers.Dense(2)'))
    part = keepbest(*into, "--partial", "--to", tmp_path / "part")
    assert (part.status, "2 of 2 variables of the network are restored" in part.err) == (Exit.OK, True)


@pytest.mark.parametrize("said", [["--plan"], ["--map", "a=b"], ["--set", "a=1"]])
def test_a_changed_network_must_be_named(keepbest: Keepbest, worker: FakeWorker, said: list[str]) -> None:
    refused = keepbest("restore", worker.run, "--to", "x", *said)
    assert (refused.status, "--into" in refused.err) == (Exit.USAGE, True)
