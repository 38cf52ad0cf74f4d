"""Panels of real networks, made beside training: which there are, at which validations, and that training does not
notice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keepbest.contract.panels import PanelMade
from keepbest.panels.choose import paint
from keepbest.panels.examples import Scene, see
from keepbest.panels.panel_worker import Painter
from keepbest.panels.shadow_model import Replica
from keepbest.snapshots.randomness import capture_random
from keepbest.snapshots.state import Position
from tests.support.processes import wait_until


def network(width: int, outputs: int, activation: str | None = None) -> Any:
    import keras

    layers = [keras.layers.Input((width,)), keras.layers.Dense(3, "tanh", name="hidden")]
    model = keras.Sequential([*layers, keras.layers.Dense(outputs, activation, name="output")])
    model.compile("sgd", "mse")
    return model


def images() -> Any:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((4, 4, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(3, name="classes")]
    )
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def scene(width: int = 1, **options: Any) -> Scene:
    draw = np.random.default_rng(0)
    return Scene(draw.normal(size=(20, width)).astype(np.float32), draw.normal(size=(20, 1)), **options)


def snapshot(model: Any, step: int = 0) -> Any:
    from keepbest.snapshots.snapshot import ModelVariables, capture

    return capture(ModelVariables(model), position=Position(step))


def test_panels_of_an_image_classifier() -> None:
    draw = np.random.default_rng(0)
    examples = see((draw.random((20, 4, 4, 1), dtype=np.float32), draw.integers(0, 3, 20)), classes="abc")
    assert examples is not None
    replica = Replica(images())
    made = dict(paint(replica, examples))
    convolution = next(name for name in made if name.startswith("weights/"))
    assert convolution.endswith("conv/kernel")
    assert {name for name in made if name != convolution} == {"confusion", "misclassified", "outputs", "variables"}
    confusion: Any = made["confusion"]
    predicted = replica.answer(examples.x).argmax(axis=1)
    assert sum(map(sum, confusion.counts)) == 20
    assert sum(confusion.counts[k][k] for k in range(3)) == int((predicted == examples.y).sum())


@pytest.mark.parametrize(("width", "name"), [(1, "fit"), (2, "boundary")])
def test_panels_of_one_and_of_two_numbers(width: int, name: str) -> None:
    assert name in dict(paint(Replica(network(width, 1)), scene(width)))


def test_neurons_of_a_small_network_with_their_weights() -> None:
    model = network(2, 1)
    boundary: Any = dict(paint(Replica(model), scene(2)))["boundary"]
    hidden, output = boundary.layers
    assert [len(hidden), len(output), len(hidden[0].weights), len(output[0].weights)] == [3, 1, 2, 3]


def test_a_replica_answers_and_leaves_the_random_states() -> None:
    model = network(1, 1)
    state = snapshot(model)
    before = capture_random()
    replica = Replica(model)
    assert capture_random() == before
    replica.put(state)
    x = scene().x
    expected = model(x).numpy()
    model.fit(x, scene().y, verbose=0)
    assert np.array_equal(replica.answer(x), expected)
    assert not np.array_equal(model(x).numpy(), expected)


def test_the_first_the_best_and_each_nth_validation_are_painted() -> None:
    made: list[PanelMade] = []
    model = network(1, 1)
    painter = Painter(scene(), made.append, every=3, share=1.0)
    assert painter.begin(model)
    for validation in range(1, 8):
        if painter.wants(is_best=validation == 6):
            painter.put(snapshot(model, validation), 0)
        wait_until(lambda: painter.is_idle, what="the painter")
    painter.close([])
    assert sorted({panel.step for panel in made}) == [1, 4, 6, 7]


def test_it_rests_for_the_share_of_time_and_still_paints_the_end() -> None:
    now, made = [0.0], list[PanelMade]()

    def say(panel: PanelMade) -> None:
        now[0] += 1.0
        made.append(panel)

    model = network(1, 1)
    painter = Painter(scene(), say, every=1, share=0.05, clock=lambda: now[0])
    painter.begin(model)
    for step in (1, 2):  # the first one is not charged
        painter.put(snapshot(model, step), 0)
        wait_until(lambda: painter.is_idle, what="the panels")
    for step in (3, 4):
        painter.put(snapshot(model, step), 0)
    last = snapshot(model, 5)
    painter.close([(last, 0)])
    assert sorted({panel.step for panel in made}) == [1, 2, 5]


def test_a_network_that_cannot_be_copied_costs_only_its_panels(caplog: pytest.LogCaptureFixture) -> None:
    import keras

    class Own(keras.Model):  # type: ignore[misc]  # Keras ships no types
        def __init__(self, units: Any) -> None:
            super().__init__()
            self.layer = units

        def call(self, x: Any) -> Any:
            return self.layer(x)

    model = Own(keras.layers.Dense(1))
    model(np.zeros((1, 1)))
    assert not Painter(scene(), lambda panel: None).begin(model)
    assert "This run has no panels" in caplog.text


def test_an_error_while_painting_ends_only_the_panels(caplog: pytest.LogCaptureFixture) -> None:
    def say(panel: PanelMade) -> None:
        raise OSError("the disk is full")

    model = network(1, 1)
    painter = Painter(scene(), say)
    painter.begin(model)
    painter.close([(snapshot(model, 1), 0), (snapshot(model, 2), 0)])
    assert caplog.text.count("the disk is full") == 1


def test_drawing_the_graph_leaves_the_random_states() -> None:
    made: list[PanelMade] = []
    painter = Painter(scene(), made.append)
    painter.begin(network(1, 1))
    before = capture_random()
    painter.draw_graph(0, 0)
    assert capture_random() == before
    (panel,) = made
    assert {node.id for node in getattr(panel.data, "nodes", [])} >= {"loss", "x", "y"}


def test_a_fit_of_ones_own_is_painted_again_and_again() -> None:
    import keras

    from keepbest.contract.batches import SegmentOpened
    from keepbest.keras import KeepBest
    from tests.support.callbacks import heard_run

    run, uploader, _ = heard_run()
    model, examples = network(1, 1), scene()
    callback = KeepBest("loss", mode="min", run=run, store=False, panels=(examples.x, examples.y))
    for _ in range(2):
        model.fit(examples.x, examples.y, epochs=2, verbose=0, callbacks=[callback])
    steps = {panel.step for panel in uploader.of(PanelMade) if panel.name == "fit"}
    assert {0, 2, 4} <= steps
    assert len(uploader.of(SegmentOpened)) <= 1
    assert isinstance(model.optimizer, keras.optimizers.Optimizer)
