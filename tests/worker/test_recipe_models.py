"""Every built-in model is built and trained a little; the small ones reach the tutorials' figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from keepbest.stopping import Unpaired
from keepbest.training.spec import Training
from worker import data
from worker.recipes import RECIPES
from worker.trainer.batches import make_feed
from worker.trainer.evaluate import Probe


def train(name: str, steps: int, data_name: str | None = None, **parameters: Any) -> tuple[Training, dict[str, float]]:
    """Train a recipe as the trainer feeds it; return it with what a validation reads at the end."""
    import keras

    keras.utils.set_random_seed(0)
    recipe = RECIPES[name]
    training = recipe.build(data.load(data_name or recipe.data[0]), **parameters)
    batches = make_feed(training, seed=0).batches_from(0)
    training.model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
    return training, Probe(training).measure(training.model).values


def test_a_line() -> None:
    _, measured = train("line-fit", 201)
    assert measured["W"] == pytest.approx(0.1, abs=1e-3)
    assert measured["b"] == pytest.approx(0.3, abs=1e-3)


def test_a_curve() -> None:
    training, measured = train("curve-fit", 1000)
    assert measured["val_loss"] < 0.01  # the noise alone is 0.0025
    x = np.array([[-0.5], [0.0], [0.5]], dtype=np.float32)
    assert np.allclose(training.model(x).numpy().ravel(), x.ravel() ** 2 - 0.5, atol=0.15)


def test_without_dropout_the_losses_drift_apart() -> None:
    gaps = {}
    for keep_prob in (1.0, 0.5):
        _, measured = train("digits-dropout", 500, keep_prob=keep_prob)
        gaps[keep_prob] = measured["val_loss"] - measured["train_loss"]
    assert gaps[1.0] > gaps[0.5]


@pytest.mark.parametrize("name", ["softmax-beginners", "softmax-pros"])
def test_softmax_regression_on_digits(name: str) -> None:
    training, measured = train(name, 300, "digits")
    assert measured["val_accuracy"] > 0.9
    assert training.model.count_params() == 64 * 10 + 10


def test_the_deep_network_learns_digits() -> None:
    _, measured = train("mnist-deep", 60, "digits", learning_rate=1e-3, units=64)
    assert measured["val_accuracy"] > 0.6


def test_a_playground() -> None:
    _, measured = train("playground", 400, "gauss", noise=0.1)
    assert measured["val_loss"] < 0.1
    assert measured["train_loss"] < 0.1


def test_every_playground_can_be_made_again_from_its_description() -> None:
    import keras

    build = RECIPES["playground"].build
    settings: dict[str, Any] = {"features": "x,y,x2,y2,xy,sinx,siny", "hidden": "8,3", "activation": "relu"}
    model = build(data.load("spiral"), regularization="l2", regularization_rate=0.01, **settings).model
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    points = data.load("spiral").test.x
    assert np.array_equal(again(points), model(points))
    assert model.layers[-2].kernel_regularizer.l2 == pytest.approx(0.01)


@pytest.mark.parametrize(
    "parameters",
    [
        {"features": "x,z"},
        {"features": ""},
        {"features": "x,x"},
        {"hidden": "9"},
        {"hidden": "1,1,1,1,1,1,1"},
        {"hidden": "two"},
        {"activation": "swish"},
        {"regularization": "l3"},
        {"noise": 0.6},
    ],
    ids=str,
)
def test_what_a_playground_cannot_have(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        RECIPES["playground"].build(data.load("xor"), **parameters)
    assert caught.value.field == f"parameters.{next(iter(parameters))}"


def test_only_single_numbers_are_watched() -> None:
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    part = (np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(InvalidInput, match=r"'W' is of shape \(2, 2\)"):
        Probe(Training(model, part, part, watch={"W": model.layers[0].kernel}))


def test_of_a_pipeline_no_example_is_compared() -> None:
    import tensorflow as tf

    part = tf.data.Dataset.from_tensor_slices((np.zeros((4, 2)), np.zeros(4))).batch(2)
    compared = Probe(Training(None, part, part)).compare(None, "val_loss", 0.5, "min")
    assert compared == Unpaired("the validation data is a pipeline, whose order is unknown")


def test_labels_in_a_list_are_measured_all_the_same() -> None:
    part = (np.zeros((2, 2), np.float32), [0.0, 1.0])
    compared = Probe(Training(None, part, part)).compare(None, "val_loss", 0.5, "min")
    assert isinstance(compared, Unpaired)
    assert "Examples must be arrays" in compared.why
