"""What of a callback is state: what changed since it was made, and can be written down."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.errors import CheckpointMismatch, InvalidInput
from keepbest.snapshots.carried_state import CarriedState
from keepbest.status import CommandKind
from tests.support.callbacks import answers, command, heard_run


class Patience:
    """As a callback is written: settings, and what it counts."""

    def __init__(self, patience: int = 3) -> None:
        self.patience = patience
        self.wait = 0
        self.best = math.inf
        self.seen: list[float] = []
        self.compare: Any = None

    def count(self, value: float) -> None:
        self.compare = min
        self.wait += 1
        self.best = self.compare(self.best, value)
        self.seen.append(value)
        self.last = np.float32(value)


def test_what_changed_comes_back_through_json() -> None:
    callback = Patience()
    carried = CarriedState([callback])
    before = json.loads(json.dumps(carried.capture(), allow_nan=False))
    callback.count(0.5)
    callback.count(math.nan)
    after = json.loads(json.dumps(carried.capture(), allow_nan=False))
    assert set(after["Patience"]) == {"wait", "best", "seen", "last"}
    carried.restore(before)
    assert (callback.wait, callback.best, callback.seen) == (0, math.inf, [])
    assert not hasattr(callback, "last")
    assert callback.compare is min  # found out by now, and no state
    carried.restore(after)
    assert (callback.wait, callback.best) == (2, 0.5)
    assert math.isnan(callback.seen[1])
    assert math.isnan(callback.last)


def test_a_restart_may_be_configured_otherwise() -> None:
    old, new = Patience(), Patience(patience=9)
    carried, restarted = CarriedState([old]), CarriedState([new])
    old.count(0.5)
    restarted.restore(carried.capture())
    assert (new.patience, new.wait) == (9, 1)


def test_callbacks_of_one_class_are_told_apart() -> None:
    one, other = Patience(), Patience()
    carried = CarriedState([one, other])
    other.count(0.5)
    states = carried.capture()
    assert {name: state.get("wait") for name, state in states.items()} == {"Patience": None, "Patience 2": 1}
    other.count(0.5)
    carried.restore(states)
    assert (one.wait, other.wait) == (0, 1)


def test_a_checkpoint_without_them_leaves_them_alone() -> None:
    callback = Patience()
    carried = CarriedState([callback])
    callback.count(0.5)
    carried.restore({})
    assert callback.wait == 1


def test_no_file_sets_what_is_not_state() -> None:
    callback = Patience()
    own = {"_model": 1, "count": 2, "__class__": "x", "__dict__": {}, "__doc__": "x", "wait": 7}
    CarriedState([callback]).restore({"Patience": own})
    assert (callback.wait, callback.patience) == (7, 3)
    assert set(vars(callback)) == set(vars(Patience()))


@pytest.mark.parametrize("value", [np.zeros(2), {1, 2}, {1: 2}, {"float": 1}, object()])
def test_what_cannot_be_written_down_is_named(value: Any) -> None:
    callback = Patience()
    carried = CarriedState([callback])
    assert carried.find_lost() == []
    callback.best = value
    assert carried.find_lost() == ["Patience.best"]


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_generator_goes_on_in_a_new_object(kind: str) -> None:
    """Each kind keeps its state in another form; half of a word that was drawn is a part of it."""
    make = getattr(np.random, kind)
    drawn = np.random.Generator(make(1))
    carried = CarriedState([drawn])
    drawn.integers(0, 9, 3, dtype=np.uint32)
    drawn.normal(size=7)
    states = json.loads(json.dumps(carried.capture(), allow_nan=False))
    expected = drawn.integers(0, 2**31, 1300, dtype=np.uint32).tolist()
    carried.restore(states)
    assert drawn.integers(0, 2**31, 1300, dtype=np.uint32).tolist() == expected
    again = np.random.Generator(make(99))
    CarriedState([again]).restore(states)
    assert again.integers(0, 2**31, 1300, dtype=np.uint32).tolist() == expected


def test_generators_and_callbacks_beside_each_other() -> None:
    one, callback, other = np.random.default_rng(1), Patience(), np.random.default_rng(2)
    carried = CarriedState([one, callback, other])
    assert carried.callbacks == (callback,)  # no generator has hooks to call
    states = carried.capture()
    assert set(states) == {"Generator", "Patience", "Generator 2"}
    expected = (one.random(), other.random())
    carried.restore(states)
    assert (one.random(), other.random()) == expected


@pytest.mark.parametrize(
    "state",
    [
        {},
        [],
        "PCG64",
        np.random.Philox(1).state | {"state": {}},
        {"bit_generator": "PCG64", "state": {"state": -1, "inc": 2**300}, "has_uint32": 0, "uinteger": 0},
        {"bit_generator": "PCG64", "state": {"state": "x", "inc": None}, "has_uint32": 0, "uinteger": 0},
        {"bit_generator": "PCG64", "state": [], "has_uint32": 0, "uinteger": 0},
    ],
)
def test_a_state_that_is_no_generators_is_refused(state: Any) -> None:
    drawn = np.random.default_rng(1)
    with pytest.raises(CheckpointMismatch, match="Generator of carry, a PCG64"):
        CarriedState([drawn]).restore({"Generator": state})
    assert drawn.random() == np.random.default_rng(1).random()


def test_the_second_generator_is_refused_before_the_first_is_set() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(2)
    wrong = {"Generator": np.random.default_rng(9).bit_generator.state, "Generator 2": np.random.Philox(9).state}
    with pytest.raises(CheckpointMismatch, match="Generator 2 of carry"):
        CarriedState([one, other]).restore(wrong)
    assert one.random() == np.random.default_rng(1).random()


def test_what_has_no_attributes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="list in carry has no attributes"):
        CarriedState([[1, 2]])


def test_what_keras_constructors_take_is_no_state() -> None:
    """Keras turns the sign of min_delta once; carried, it would be turned twice in a new process."""
    keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")
    slowing = keras.callbacks.ReduceLROnPlateau("val_loss")
    carried = CarriedState([slowing])
    slowing.min_delta, slowing.wait = -slowing.min_delta, 2
    assert carried.capture() == {"ReduceLROnPlateau": {"wait": 2}}


def test_a_fit_says_what_it_does_not_carry() -> None:
    keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")
    from keepbest.contract.batches import Progress
    from keepbest.keras import KeepBest
    from keepbest.training.fit.doubts import OWN_DATA
    from tests.support.callbacks import Script, heard_run

    stopping = keras.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True)
    run, uploader, _ = heard_run()
    callback = KeepBest("val_loss", mode="min", patience=9, run=run, store=False, carry=[stopping])
    Script().fit(callback, [3.0, 2.0, 2.5])
    told = [item for item in uploader.of(Progress) if item.resume is not None]
    assert [item.resume for item in told] == ["approximate", "approximate"]
    assert [item.resume_note for item in told] == [
        OWN_DATA,
        f"{OWN_DATA} Of the callbacks, EarlyStopping.best_weights is not JSON and stays as it is.",
    ]
    assert callback.keeper.buffer.best is not None
    assert callback.keeper.buffer.best.callbacks["EarlyStopping"]["best"] == 2.0


def test_a_fit_carries_a_generator_to_another_one(tmp_path: Path) -> None:
    pytest.importorskip("keras", reason="needs TensorFlow: make install")
    from tests.support.callbacks import Script, keep_best

    drawn, again = np.random.default_rng(1), np.random.default_rng(99)
    first = keep_best(tmp_path, patience=9, carry=[drawn])
    drawn.random(5)
    Script().fit(first, [3.0])
    expected = drawn.random(5).tolist()
    second = keep_best(tmp_path, patience=9, run=first.run.id, resume=True, carry=[again])
    Script().fit(second, [2.5])
    assert again.random(5).tolist() == expected


def test_a_wrong_generator_is_refused_before_variables_are_set(tmp_path: Path) -> None:
    """KeepBest(resume=True) put the weights and the random states back first, and refused then."""
    pytest.importorskip("keras", reason="needs TensorFlow: make install")
    from tests.support.callbacks import Script, keep_best

    first = keep_best(tmp_path, patience=9, carry=[np.random.default_rng(1)])
    Script().fit(first, [3.0])
    wrong = np.random.Generator(np.random.Philox(1))
    second, script = keep_best(tmp_path, patience=9, run=first.run.id, resume=True, carry=[wrong]), Script()
    before = script.bits
    with pytest.raises(CheckpointMismatch, match="Generator of carry, a Philox"):
        script.fit(second, [2.5])
    assert script.bits == before


def test_a_generator_that_cannot_go_back_is_found_first(tmp_path: Path) -> None:
    """roll_back set the variables and the random states, then raised: the network of step 1 with the data of step 2."""
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow: make install")
    from keepbest.loop import Loop

    def begin(draw: Any, run: Any) -> tuple[Any, Any]:
        weight = tf.Variable(0.0)
        return Loop(run, weight, store=tmp_path, resume=False, carry=[draw]), weight

    first, weight = begin(np.random.default_rng(1), heard_run()[0])
    weight.assign(1.0)
    first.report_validation(1, 0.5)
    first.close()
    run, uploader, commands = heard_run()
    run.id = first.run.id
    second, weight = begin(np.random.Generator(np.random.Philox(1)), run)
    weight.assign(2.0)
    drawn = random.getstate()
    with pytest.raises(CheckpointMismatch, match="Generator of carry, a Philox"):
        second.roll_back(step=1)
    commands.append(sent := command(CommandKind.ROLL_BACK, step=1))
    second.report_validation(2, 0.6)
    assert answers(uploader, sent) == ["acknowledged", "refused"]
    assert (float(weight), second.step, random.getstate()) == (2.0, 2, drawn)
