"""Train kinds, plainly and with KeepBest, and roll back: `python -m tests.support.kinds.train FOLDER [KIND …]`."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keepbest import KeepBest
from tests.support.kinds.cell import Cell, judge, refused
from tests.support.kinds.kind import BEST, Kind, seed_all
from tests.support.kinds.place import Place
from tests.support.kinds.process import run_all
from tests.support.kinds.training import Recorder, fit, monitor_of, predict

SEED = 1


class Untrainable(Exception):
    """Keras itself cannot train it."""


def train(kind: Kind, place: Place) -> dict[str, Cell]:
    """Train without keepbest, to know the right result, then with it."""
    recorder = Recorder(kind, lambda model: _write_theirs(model, place))
    try:
        seed_all(SEED)
        model = kind.build()
        fit(kind, model, recorder=recorder)
    except Exception as error:
        raise Untrainable(str(error)) from error
    if any(value in ("nan", "inf", "-inf") for said in recorder.said for value in said):
        raise Untrainable("It becomes NaN, and nothing of it is a best.")
    after = recorder.said[len(recorder.said) // 3 * (BEST + 1) :]
    place.write("after", after)
    place.write_arrays("best", recorder.predicted)
    place.write_arrays("end", predict(kind, model))
    return _keep(kind, place, recorder)


def _write_theirs(model: Any, place: Place) -> None:
    """Write what Keras and TensorFlow write themselves, and what the variables hold.

    What one of them cannot write is missing, and so nothing that a model is asked to give back.
    """
    place.theirs.mkdir()
    place.write_arrays("variables", [np.array(variable.numpy()) for variable in model.variables])
    with suppress(Exception):
        model.save(place.theirs / "model.keras")
    with suppress(Exception):
        model.save_weights(place.theirs / "model.weights.h5")
    with suppress(Exception):
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).write(str(place.theirs / "model"))


def _keep(kind: Kind, place: Place, plain: Recorder) -> dict[str, Cell]:
    keras.backend.clear_session(free_memory=False)
    seed_all(SEED)
    model = kind.build()
    keeper = KeepBest(**monitor_of(kind), patience=99, store=place.store)
    place.write("run", keeper.run.id)
    try:
        said = fit(kind, model, keeper).said
    except Exception as error:
        return {"trains": refused(error), "roll back": Cell("WRONG", "training did not end")}
    if place.store.exists():  # else nothing could be written
        shutil.copytree(place.store, place.store_to_go_on)
    is_same = said == plain.said
    trains = Cell("equal") if is_same else Cell("WRONG", "training went another way than without keepbest")
    return {"trains": trains, "roll back": roll_back(kind, place, model, keeper)}


def roll_back(kind: Kind, place: Place, model: Any, keeper: Any) -> Cell:
    """Go back to the best in memory and train on: the steps must be those that came before."""

    def go_back() -> Any:
        keeper.roll_back()
        return predict(kind, model)

    if kind.measures:  # averages were measured; what training goes on with are the raw weights
        keeper.roll_back()
        return go_on(kind, place, model, keeper)
    cell = judge(go_back, place.read_arrays("best"))
    return go_on(kind, place, model, keeper) if cell.word == "equal" else cell


def go_on(kind: Kind, place: Place, model: Any, *callbacks: Any) -> Cell:
    """Train from the best to the end."""
    after: list[Any] = []

    def train_on() -> Any:
        after.extend(fit(kind, model, *callbacks, first=BEST + 1).said)
        return predict(kind, model)

    cell = judge(train_on, place.read_arrays("end"))
    if cell.word == "equal" and after != place.read("after"):
        return Cell("WRONG", "the steps after it are others")
    return cell if cell.word != "WRONG" or cell.why[:7] != "another" else Cell("WRONG", "training goes on another way")


if __name__ == "__main__":
    run_all("train", train)
