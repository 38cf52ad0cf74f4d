"""Come back with keepbest in a fresh process, and export: `python -m tests.support.kinds.back FOLDER [KIND …]`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import tensorflow as tf

import keepbest
from keepbest import KeepBest
from keepbest.checkpoint import Store
from keepbest.checkpoint.export import FORMATS, export
from keepbest.checkpoint.restore import choose
from tests.support.kinds.cell import Cell, judge, refused
from tests.support.kinds.kind import Kind, seed_all
from tests.support.kinds.place import Place
from tests.support.kinds.process import run_all
from tests.support.kinds.train import go_on
from tests.support.kinds.training import examples, monitor_of, predict

OTHER_SEED = 99


def come_back(kind: Kind, place: Place) -> dict[str, Cell]:
    run = place.read("run")
    seed_all(OTHER_SEED)
    return {
        "by run": restore(kind, place, lambda: keepbest.restore(run, store=place.store)),
        "own model": restore(kind, place, lambda: keepbest.restore(run, own_model(kind), store=place.store)),
        "resume": resume(kind, place, run),
        **{form: _export(kind, place, run, form) for form in FORMATS},
    }


def restore(kind: Kind, place: Place, give: Callable[[], Any]) -> Cell:
    """Return what is predicted by the model that is given, and what becomes of it where it is trained on."""
    models: list[Any] = []

    def answer() -> Any:
        models.append(give())
        return predict(kind, models[0])

    cell = judge(answer, place.read_arrays("best"))
    return go_on(kind, place, models[0]) if cell.word == "equal" and kind.trains_on else cell


def own_model(kind: Kind) -> Any:
    """Return the user's own model, which has learned nothing yet, with its variables where it can be called."""
    model = kind.build_bare()
    if not model.built:
        with suppress(tf.errors.FailedPreconditionError):  # a vocabulary inside that is still to come
            model(examples(kind))
    return model


def resume(kind: Kind, place: Place, run: str) -> Cell:
    keeper = KeepBest(**monitor_of(kind), patience=99, store=place.store_to_go_on, run=run, resume=True)
    return go_on(kind, place, kind.build(), keeper)


def _export(kind: Kind, place: Place, run: str, form: Any) -> Cell:
    """Export from the description in the store, or else with the user's own model."""
    store = Store(place.store)
    try:
        export(store, _load(store, run), place.ours, form)
        return Cell("equal")
    except keepbest.KeepbestError as error:
        first = refused(error)
    except Exception as error:
        return refused(error)
    try:
        export(store, _load(store, run), place.ours, form, model=own_model(kind))
    except Exception as error:
        return Cell(refused(error).word, f"{first.why} With --into: {refused(error).why}")
    return Cell("--into", first.why)


def _load(store: Store, run: str) -> Any:
    chosen = choose(store, run)
    return store.load(chosen.run, chosen.id)


if __name__ == "__main__":
    run_all("back", come_back)
