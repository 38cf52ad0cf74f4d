"""The inspector in one process: what the beginners' tutorial prints, layers inside of layers, sums and means."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.cli.main import main
from keepbest.contract.tensors import Findings, Inquiry, TensorRequest
from keepbest.errors import InvalidInput, NotFound
from keepbest.training.spec import Training
from tests.support.own_code import Trained, build_and_measure
from tests.worker.test_recipe_models import train as train_recipe
from worker import data
from worker.checks.activations import differentiate, pick, read_outputs
from worker.checks.inspect import examine
from worker.recipes import RECIPES

#: The upper left pixel of the digits, which is empty in every one, and one in the middle.
EMPTY, MIDDLE = 0, 36


@pytest.fixture(scope="module")
def trained() -> Training:
    return train_recipe("softmax-beginners", 300, "digits")[0]


@pytest.fixture(scope="module")
def begun() -> Training:
    return RECIPES["softmax-beginners"].build(data.load("digits"))


def inspect(training: Training, folder: Path, *wanted: str, **asked: Any) -> tuple[Findings, list[Any]]:
    """Ask as the command does; `"gradient:evidence/kernel"` names a tensor."""
    wants = [TensorRequest(kind=kind, name=name) for kind, _, name in (one.partition(":") for one in wanted)]  # type: ignore[arg-type]
    findings = examine(training, Inquiry(wanted=wants, **asked), folder)
    return findings, [np.load(folder / f"{number}.npy") for number in range(len(wants))]


def test_cross_entropy_at_the_first_and_the_last_step(begun: Training, trained: Training, tmp_path: Path) -> None:
    _, (first,) = inspect(begun, tmp_path, "loss", part="test")
    assert first == pytest.approx(math.log(10), rel=1e-6)  # the tutorial: 23026.0 for 10,000 images
    findings, (total,) = inspect(begun, tmp_path, "loss", part="test", total=True)
    assert (findings.examples, total) == (300, pytest.approx(300 * math.log(10), rel=1e-6))
    _, (last,) = inspect(trained, tmp_path, "loss", part="test")
    assert last < 0.5 * first
    assert last == pytest.approx(trained.model.evaluate(*trained.test, verbose=0)[0], rel=1e-5)


def test_gradients_early_and_late(begun: Training, trained: Training, tmp_path: Path) -> None:
    asked = ("gradient:evidence/kernel", "gradient:bias")
    _, (early, by_bias) = inspect(begun, tmp_path, *asked, part="test", total=True)
    _, (late, _) = inspect(trained, tmp_path, *asked, part="test", total=True)
    for gradient in (early, late):
        assert not gradient[EMPTY].any()  # "il semble que le premier pixel soit complètement ignoré ... lol"
        assert gradient[MIDDLE].all()
    assert np.abs(early[MIDDLE]).max() > np.abs(late[MIDDLE]).max()
    counts = np.bincount(begun.test[1], minlength=10)
    assert np.allclose(by_bias, 30.0 - counts, atol=1e-3)  # each class has a tenth, less what is there


def test_logits_probabilities_and_argmax(trained: Training, tmp_path: Path) -> None:
    findings, (logits, y) = inspect(trained, tmp_path, "activation:evidence", "activation:y", part="test", stop=10)
    assert np.allclose(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), y, atol=1e-6)
    verdicts = findings.verdicts
    assert verdicts is not None
    assert verdicts.argmax == y.argmax(axis=1).tolist()
    assert verdicts.labels == trained.test[1][:10].tolist()
    assert verdicts.classes == list("0123456789")


def test_names_that_are_not_there(begun: Training, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no layer 'evidenc'") as caught:
        inspect(begun, tmp_path, "activation:evidenc")
    assert "evidence" in str(caught.value.hint)
    with pytest.raises(NotFound, match="no variable"):
        inspect(begun, tmp_path, "gradient:W")
    with pytest.raises(InvalidInput, match="has 300"):
        inspect(begun, tmp_path, "loss", first=300)


def test_everything_is_listed(begun: Training, tmp_path: Path) -> None:
    findings = examine(begun, Inquiry(everything=True), tmp_path)
    named = {one.name: one.shape for one in findings.tensors}
    assert named["evidence"] == [1, 10]
    assert named["model/softmax_regression/evidence/kernel"] == [64, 10]
    assert any(name.startswith("optimizer/") for name in named)


@pytest.fixture(scope="module")
def nested() -> tuple[Any, Any, Any]:
    """A network written as a class, with a network inside, a recurrent layer and a penalty on weights."""
    import keras

    class Network(keras.Model):  # type: ignore[misc]  # Keras ships no types
        def __init__(self) -> None:
            super().__init__()
            penalty = keras.regularizers.L2(0.1)
            self.inner = keras.Sequential([keras.layers.Dense(4, "tanh", name="deep", kernel_regularizer=penalty)])
            self.memory = keras.layers.LSTM(3, name="memory")
            self.end = keras.layers.Dense(1, name="end")

        def call(self, x: Any) -> Any:
            return self.end(self.memory(self.inner(self.inner(x))))

    keras.utils.set_random_seed(1)
    model = Network()
    x = np.random.default_rng(0).normal(size=(600, 5, 4)).astype(np.float32)
    y = x.sum(axis=(1, 2), keepdims=True)[:, :, 0]
    model.compile("sgd", "mse")
    model(x[:1])
    return model, x, y


def test_layers_inside_of_layers_and_twice(nested: tuple[Any, Any, Any]) -> None:
    model, x, _ = nested
    heard = read_outputs(model, pick((x,) * 2, 100, 500))
    assert heard["memory"].shape == (400, 3)
    assert np.allclose(np.tanh(heard["deep:before#2"]), heard["deep#2"], atol=1e-6)
    assert np.array_equal(heard["end"], heard["output"])
    assert np.allclose(heard["output"], model.predict(x[100:500], verbose=0), atol=1e-5)
    assert not {name for name in heard if "cell" in name}


def test_a_penalty_counts_once_however_many_batches(nested: tuple[Any, Any, Any]) -> None:
    import tensorflow as tf

    model, x, y = nested
    variables = model.trainable_variables
    loss, gradients, count = differentiate(model, pick((x, y), 0, None), variables)
    with tf.GradientTape() as tape:
        at_once = model.compute_loss(x, y, model(x, training=False))
    assert count == 600
    assert loss == pytest.approx(float(at_once), rel=1e-5)
    for one, other in zip(gradients, tape.gradient(at_once, [v.value for v in variables]), strict=True):
        assert np.allclose(one, other, atol=1e-4)


def test_own_code_at_a_checkpoint_and_before_its_first_step(
    train: Callable[..., Trained], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, computed in fresh processes. Step 0 is the model with the weights that the run's seed gives."""
    import keras

    trained = train(seed=7)
    trained.keep(trained.loss)

    def ask(*asked: str) -> Any:
        file = tmp_path / "values.npy"
        assert main(["inspect", trained.worker.run, *asked, "--npy", str(file)]) == 0, capsys.readouterr().err
        return np.load(file)

    x = np.random.default_rng(0).random((300, 5), dtype="float32")[200:210]
    given = ask("--activation", "dense_1", "--examples", "0:10")
    assert np.allclose(given, trained.model.predict(x, verbose=0), atol=1e-6)
    keras.utils.set_random_seed(7)
    untrained, _ = build_and_measure()
    assert np.array_equal(ask("--step", "0", "--variable", "dense/kernel"), untrained.variables[0])
