"""Selecting: averages of what is on disk, with batch normalization measured anew; and weights averaged all along."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.contract.policies import SelectorSpec
from keepbest.contract.selections import Selection
from keepbest.errors import InvalidInput
from keepbest.selection.selectors import Best, Ema
from keepbest.selection.selectors import build as build_selector
from keepbest.selection.syntax import parse
from keepbest.snapshots.averages import find_averages
from keepbest.snapshots.state import State
from keepbest.status import CommandKind
from keepbest.stopping import parse as parse_policy
from keepbest.training.spec import Training

keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")

from keepbest.checkpoint import load  # noqa: E402
from keepbest.checkpoint.restore import choose  # noqa: E402
from keepbest.panels.shadow_model import Replica  # noqa: E402
from tests.support.rig import Rig  # noqa: E402
from worker.trainer.agent_pipe import HandedBack  # noqa: E402
from worker.trainer.ema import prepare  # noqa: E402
from worker.trainer.evaluate import Evaluator  # noqa: E402
from worker.trainer.select_model import Selecting  # noqa: E402

RATE = 0.05


def build(*, metric: str = "accuracy", **optimizer: Any) -> Training:
    """A network with batch normalization, dropout, and a rate that makes its validations go up and down."""
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    y = (x.sum(axis=1) + np.random.default_rng(1).normal(size=120) > 0).astype(np.int64)
    layers = keras.layers
    inside = keras.Sequential([layers.Dense(8), layers.BatchNormalization(momentum=0.9), layers.Dropout(0.3)])
    model = keras.Sequential([layers.Input((4,)), inside, layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(RATE, **optimizer), "sparse_categorical_crossentropy", metrics=[metric])
    return Training(model, (x[:80], y[:80]), (x[80:], y[80:]), batch_size=10)


class End:
    """A rig at the end of its training, as the trainer leaves it to the selector."""

    def __init__(self, folder: Path, selector: str, **spec: Any) -> None:
        self.selector = build_selector(parse(selector))
        settled = SelectorSpec.model_validate(self.selector.to_json())
        given = {"monitor": "val_loss", "mode": "min", "validate_every": 5, "max_steps": 60, **spec}
        training = build()
        prepare(training.model, self.selector)
        self.rig = Rig(folder, training, selector=settled, **given)
        self.rig.train()
        self.rig.keeper.close(20)
        found = self.rig.keeper.restore_best()
        assert found is not None
        self.best = found

    def select(self) -> tuple[State, Selection]:
        rig = self.rig
        feed, gauge = rig.loop._feed, rig.loop.gauge
        parts = (rig.keeper, rig.store, rig.training, feed, gauge, rig.hand_back)
        chosen, made = Selecting(self.selector, *parts).select(self.best)
        assert made is not None
        return chosen, made

    def measure(self) -> float:
        return Evaluator(self.rig.training.validation).measure(self.rig.training.model).values["loss"]


@pytest.fixture(scope="module")
def soup(tmp_path_factory: pytest.TempPathFactory) -> tuple[End, State, Selection]:
    end = End(tmp_path_factory.mktemp("store"), "greedy_soup(k=4)")
    return end, *end.select()


def test_the_best_k_validations_are_on_disk(soup: Any) -> None:
    end, _, made = soup
    four = sorted(value for _, value in end.rig.validations if value is not None)[:4]
    assert [one.value for one in made.candidates] == four
    kinds = {manifest.kind for manifest in end.rig.store.manifests(end.rig.run.id)}
    assert {"best", "candidate", "selected"} <= kinds


def test_a_soup_is_better_on_disk_and_gives_its_value_again(soup: Any) -> None:
    end, chosen, made = soup
    assert (made.checkpoint, made.made_of[0], made.best_checkpoint) == (chosen.id, end.best.id, end.best.id)
    assert made.is_average
    assert made.value <= made.best_value
    assert len(made.trials) == 3
    assert [trial.is_kept for trial in made.trials].count(True) == len(made.made_of) - 1
    assert (made.batches, made.n) == (8, 40)
    assert end.measure() == made.value
    store, run = end.rig.store, end.rig.run.id
    manifest = choose(store, run)
    assert (manifest.id, manifest.kind, manifest.value, manifest.n) == (chosen.id, "selected", made.value, 40)
    assert list(manifest.made_of) == made.made_of
    store.load(run, manifest.id).load_into(end.rig.training.model)
    assert end.measure() == made.value


def test_an_average_has_mean_weights_and_fresh_batch_statistics(soup: Any) -> None:
    end, chosen, made = soup
    names = [spec.path.rpartition("/")[2] for spec in chosen.specs if spec.collection == "model"]
    loaded = [end.rig.store.load(end.rig.run.id, id).arrays for id in made.made_of]
    for place, name in enumerate(names):
        value, mean = (
            np.asarray(chosen.values[place]),
            np.mean([one[place] for one in loaded], axis=0, dtype=np.float64),
        )
        if name in ("kernel", "bias", "gamma", "beta"):
            assert np.array_equal(value, mean.astype(np.float32))
        elif name.startswith("moving"):
            assert not np.allclose(value, mean, rtol=1e-4)
        else:
            assert np.array_equal(value, loaded[0][place])  # the seed of dropout
    kernel, bias = (np.asarray(chosen.values[names.index(name)], np.float64) for name in ("kernel", "bias"))
    moved = np.asarray(chosen.values[names.index("moving_mean")])
    given = end.rig.training.train[0].astype(np.float64) @ kernel + bias  # eight batches of ten: each example once
    assert np.allclose(moved, given.mean(axis=0), atol=1e-5)


def test_candidates_are_read_one_after_another_and_not_held(soup: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: all candidates were in memory at once. A greedy soup of four, of which several are kept."""
    end, _, made = soup
    alive: Counter[str] = Counter()
    most, read = [0, 0], list[str]()
    iterate = load.iterate

    def counting(folder: Any, manifest: Any, variables: Any) -> Iterator[Any]:
        read.append(manifest.id)
        for value in iterate(folder, manifest, variables):
            own = value.copy()
            del value
            alive[manifest.id] += 1
            weakref.finalize(own, alive.subtract, [manifest.id])
            most[:] = max(most[0], sum(count > 0 for count in alive.values())), max(most[1], alive.total())
            yield own
            del own

    monkeypatch.setattr(load, "iterate", counting)
    end.select()
    assert most[0] == 1
    assert most[1] <= 3  # of 9: one is added, one is being read, one a loop may still name
    tried = [one.checkpoint for one in made.candidates]
    assert set(read) == set(tried)
    last = [one.made_of[-1] for one in made.trials]
    again = [id for id in made.made_of[1:] if id != last[-1]]  # those that a later average is made of too
    assert Counter(read) == Counter([*tried, *again])


def test_selecting_again_gives_the_same_bits(soup: Any) -> None:
    end, chosen, made = soup
    again, said = end.select()
    assert again.id != chosen.id
    assert said.model_copy(update={"checkpoint": made.checkpoint}) == made
    assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(again.values, chosen.values, strict=True))
    store, run = end.rig.store, end.rig.run.id
    assert choose(store, run).id == again.id
    newest = store.load_newest(run)
    assert newest is not None
    assert newest.manifest.kind != "selected"
    assert choose(store, run, best=True).id == end.best.id
    assert end.rig.run.best is not None
    assert end.rig.run.best.checkpoint.id == end.best.id


def test_an_error_leaves_the_best_and_tells_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = End(tmp_path, "top_k_average")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(end.rig.store.__class__, "write", fail)
    monkeypatch.setattr("keepbest.selection.selectors.is_as_good", lambda *_: True)
    chosen, made = end.select()
    assert (chosen, made.checkpoint, made.message) == (end.best, end.best.id, "the best stays: the disk is full")
    assert [trial.is_kept for trial in made.trials] == [False]
    assert end.measure() == made.best_value == made.value
    assert end.rig.store.folder.selected(end.rig.run.id) is None


def test_a_worker_that_leaves_selects_nothing(tmp_path: Path) -> None:
    end = End(tmp_path, "one_standard_error", monitor="val_accuracy", mode="max", max_steps=20)
    end.rig.hand_back.set()
    with pytest.raises(HandedBack):
        end.select()
    assert end.rig.store.folder.selected(end.rig.run.id) is None
    end.rig.hand_back.clear()
    chosen, made = end.select()
    assert (made.trials, made.batches, chosen.id) == ([], None, made.checkpoint)
    assert choose(end.rig.store, end.rig.run.id).id == made.checkpoint
    assert made.step <= made.best_step


def test_an_average_out_of_bounds_is_none(tmp_path: Path) -> None:
    """The stopper's bounds hold for what is made too: it would be the best of none that are admitted."""
    bound = parse_policy('require("val_loss < 1e9", patience(100))')
    end = End(tmp_path, "top_k_average", stopper=bound, max_steps=30)
    end.rig.loop.gauge.measure = lambda model: type("Measured", (), {"values": {"val_loss": 2e9}})()  # type: ignore[method-assign]
    _, made = end.select()
    assert [(trial.value, trial.is_kept) for trial in made.trials] == [(None, False)]
    assert made.checkpoint == end.best.id


# Averaged all along

MOMENTUM = 0.9
EMA = Ema(momentum=MOMENTUM)
STEPS = 40


def ema_rig(folder: Path, *, run: str | None = None, selector: Any = EMA, **optimizer: Any) -> Rig:
    training = build(**optimizer)
    prepare(training.model, selector)
    given = {"monitor": "val_loss", "mode": "min", "validate_every": 5, "max_steps": STEPS}
    return Rig(folder, training, run=run, selector=SelectorSpec.model_validate(selector.to_json()), **given)


def train_noting(rig: Rig) -> list[list[Any]]:
    """Train; return the model's variables after each step."""
    model, noted = rig.training.model, []

    def note() -> None:
        noted.append([np.asarray(one) for one in model.variables])

    rig.at.update(dict.fromkeys(range(1, STEPS + 1), note))
    rig.train()
    return noted


def are_equal(ours: Any, theirs: Any) -> bool:
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(ours, theirs, strict=True))


def value_at(model: Any) -> float:
    return Evaluator(build().validation).measure(model).values["loss"]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rig, list[list[Any]]]:
    rig = ema_rig(tmp_path_factory.mktemp("ema"))
    noted = train_noting(rig)
    assert rig.keeper.drain(20)
    return rig, noted


def test_it_trains_the_same_raw_weights_as_without(straight: Any, tmp_path: Path) -> None:
    rig, noted = straight
    plain = ema_rig(tmp_path, selector=Best())
    theirs = train_noting(plain)
    assert len(noted) == len(theirs) == STEPS
    assert all(are_equal(one, other) for one, other in zip(noted, theirs, strict=True))
    assert are_equal(rig.training.model.variables, plain.training.model.variables)
    assert [step for step, _ in rig.validations] == [step for step, _ in plain.validations]
    assert rig.validations[3] != plain.validations[3]


def test_a_validation_measures_the_average_by_its_formula(straight: Any) -> None:
    """From the weights after the first step on; what is not trained is as it is at the validation."""
    rig, noted = straight
    fresh = build().model
    trained = {id(one) for one in fresh.trainable_variables}
    places = [place for place, one in enumerate(fresh.variables) if id(one) in trained]
    average = [noted[0][place].astype(np.float64) for place in places]
    for step in range(1, STEPS + 1):
        now = [noted[step - 1][place] for place in places]
        if step > 1:
            average = [MOMENTUM * one + (1 - MOMENTUM) * new for one, new in zip(average, now, strict=True)]
        if step in (5, STEPS):
            for one, value in zip(fresh.variables, noted[step - 1], strict=True):
                one.assign(value)
            raw = value_at(fresh)
            for one, value in zip(fresh.trainable_variables, average, strict=True):
                one.assign(value)
            assert value_at(fresh) == pytest.approx(dict(rig.validations)[step], rel=1e-5)
            assert raw != pytest.approx(dict(rig.validations)[step], rel=1e-5)


def test_rolled_back_it_ends_with_the_same_bits_raw_and_averaged(straight: Any, tmp_path: Path) -> None:
    rig = ema_rig(tmp_path)
    rig.at[33] = lambda: rig.command(CommandKind.ROLL_BACK, step=10)
    rig.train()
    assert rig.run.recorder.segment == 1
    assert (dict(rig.validations), rig.digest) == (dict(straight[0].validations), straight[0].digest)


def test_an_own_average_is_not_written_over_a_roll_back(straight: Any, tmp_path: Path) -> None:
    """Keras does that at the end of each `fit`."""
    rig = ema_rig(tmp_path, selector=Best(), use_ema=True)
    rig.at[33] = lambda: rig.command(CommandKind.ROLL_BACK)
    rig.train()
    assert rig.run.recorder.segment == 1
    assert are_equal(rig.training.model.variables, straight[1][-1])


def test_gone_on_elsewhere_it_ends_with_the_same_bits(straight: Any, tmp_path: Path) -> None:
    first = ema_rig(tmp_path)
    first.at[17] = first.hand_back.set
    first.train()
    first.leave()
    second = ema_rig(tmp_path, run=first.run.id)
    second.resume()
    assert first.validations + second.validations == straight[0].validations
    assert second.digest == straight[0].digest


def test_a_checkpoint_gives_averages_to_use_and_weights_to_train(straight: Any) -> None:
    """Also to an optimizer that averages nothing, as a user's own code or a fresh process makes it."""
    rig, noted = straight
    step, value = min(rig.validations, key=lambda validation: validation[1])
    manifest = choose(rig.store, rig.run.id)
    assert (manifest.step, manifest.value) == (step, value)
    loaded = rig.store.load(rig.run.id, manifest.id)
    for used in (build().model, build(use_ema=True).model):
        loaded.plan(used).check(partial=False)
        loaded.load_into(used)
        assert value_at(used) == value
        assert int(used.optimizer.iterations) == step
    replica = Replica(build().model)  # what panels are painted of
    replica.put(loaded.to_state())
    assert are_equal(replica.model.variables, used.variables)
    on = build().model
    prepare(on, EMA)
    loaded.resume_into(on)
    assert are_equal(on.variables, noted[step - 1])


def test_at_its_end_the_averaged_best_is_selected(tmp_path: Path) -> None:
    end = End(tmp_path, f"ema(momentum={MOMENTUM})", max_steps=15)
    assert end.measure() == end.rig.keeper.best[1]
    chosen, made = end.select()
    assert (made.selector.name, made.checkpoint, made.trials) == ("ema", made.best_checkpoint, [])
    assert (made.value, made.value) == (made.best_value, end.measure())
    assert end.rig.store.folder.selected(end.rig.run.id) == chosen.id == end.best.id


def test_before_the_first_step_the_average_is_the_weights() -> None:
    """Keras begins at zeros, and a checkpoint of step 0 would be that."""
    model = build().model
    prepare(model, EMA)
    averages = model.optimizer._model_variables_moving_average
    assert are_equal(averages, model.trainable_variables)
    assert np.count_nonzero(averages[0]) > 0


def test_the_optimizer_that_scales_the_loss_averages_inside() -> None:
    training = build()
    training.model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)), "mse")
    prepare(training.model, EMA)
    assert training.model.optimizer.inner_optimizer.use_ema
    assert len(find_averages(training.model)) == len(training.model.trainable_variables)
    before = [np.asarray(one) for one in training.model.trainable_variables]
    training.model.optimizer.finalize_variable_values(training.model.trainable_variables)
    assert are_equal(before, training.model.trainable_variables)


@pytest.mark.parametrize(
    ("optimizer", "is_built", "said"),
    [
        (lambda: keras.optimizers.SGD(0.1), True, "built already"),
        (lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=5), False, "ema_overwrite_frequency"),
        (lambda: keras.optimizers.MultiOptimizer(lambda _: keras.optimizers.SGD(0.1)), False, "keeps no averages"),
    ],
)
def test_an_optimizer_that_cannot_is_refused(optimizer: Any, is_built: bool, said: str) -> None:
    model = build().model
    model.compile(optimizer(), "mse")
    if is_built:
        model.optimizer.build(model.trainable_variables)
    with pytest.raises(InvalidInput, match=said) as caught:
        prepare(model, EMA)
    assert caught.value.field == "selector"
    prepare(model, Best())
