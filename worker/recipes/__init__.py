"""Built-in models by name. Importing this loads no TensorFlow: a worker announces its recipes before it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Mode
from keepbest.contract.workers import RecipeInfo
from keepbest.errors import InvalidInput
from keepbest.stopping import parse
from keepbest.training.spec import Training
from worker.data.planar import SHAPES
from worker.recipes.curves import build_curve, build_line
from worker.recipes.deep_mnist import build_deep
from worker.recipes.dropout import build_dropout
from worker.recipes.hvass import build_cnn
from worker.recipes.parameters import read_parameters
from worker.recipes.playground import build_playground
from worker.recipes.softmax import build_softmax, build_softmax_of_experts

CLASSIFIER_METRICS = {"val_accuracy": Mode.MAX, "val_loss": Mode.MIN, "accuracy": Mode.MAX, "loss": Mode.MIN}
FIT_METRICS = {"val_loss": Mode.MIN, "loss": Mode.MIN}
IMAGES = ("mnist", "fashion-mnist", "digits")


#: The stopper of tutorials with a fixed number of steps; keepbest keeps the best validation all the same.
TO_THE_END = PolicySpec.model_validate(parse("check_finite()"))


@dataclass(frozen=True)
class Recipe:
    """A build function, the data sets that it takes, and the defaults of its training."""

    name: str
    summary: str
    build: Callable[..., Training]
    data: tuple[str, ...]
    monitor: str
    stopper: PolicySpec
    max_steps: int
    validate_every: int
    metrics: dict[str, Mode] = field(default_factory=lambda: dict(CLASSIFIER_METRICS))

    def info(self) -> RecipeInfo:
        """Return what the tracker needs to check a request; the first data set is the default."""
        return RecipeInfo(
            name=self.name,
            summary=self.summary,
            parameters=read_parameters(self.build, leave_out=frozenset({"split"})),
            data=list(self.data),
            default_data=self.data[0],
            metrics=self.metrics,
            monitor=self.monitor,
            stopper=self.stopper,
            max_steps=self.max_steps,
            validate_every=self.validate_every,
        )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="hvass-cnn",
            summary="Hvass' tutorial 4: two 5 x 5 convolutions (16, 36), 128 units, Adam; stops early",
            build=build_cnn,
            data=("digits", "mnist", "fashion-mnist"),
            monitor="val_accuracy",
            # The tutorial's loop: more than 1000 steps without a better validation, checked at every step.
            stopper=PolicySpec.model_validate(parse("patience(steps=1000) | check_finite()")),
            max_steps=10_000,
            validate_every=100,
        ),
        Recipe(
            name="line-fit",
            summary="A straight line through 100 points by gradient descent: W to 0.1, b to 0.3",
            build=build_line,
            data=("line",),
            monitor="val_loss",
            stopper=TO_THE_END,
            max_steps=201,
            validate_every=20,
            metrics=FIT_METRICS,
        ),
        Recipe(
            name="curve-fit",
            summary="A parabola through 300 noisy points by ten ReLU units",
            build=build_curve,
            data=("curve",),
            monitor="val_loss",
            stopper=TO_THE_END,
            max_steps=1_000,
            validate_every=50,
            metrics=FIT_METRICS,
        ),
        Recipe(
            name="digits-dropout",
            summary="Dropout against overfitting: 50 tanh units on small images",
            build=build_dropout,
            data=("digits", "mnist", "fashion-mnist"),
            monitor="val_loss",
            stopper=TO_THE_END,
            max_steps=500,
            validate_every=50,
            metrics=CLASSIFIER_METRICS | {"train_loss": Mode.MIN, "train_accuracy": Mode.MAX},
        ),
        Recipe(
            name="softmax-beginners",
            summary="Softmax regression of TensorFlow's MNIST tutorial for beginners: batches of 100",
            build=build_softmax,
            data=IMAGES,
            monitor="val_accuracy",
            stopper=TO_THE_END,
            max_steps=1_000,
            validate_every=100,
        ),
        Recipe(
            name="softmax-pros",
            summary="Softmax regression of TensorFlow's MNIST tutorial for experts: batches of 50",
            build=build_softmax_of_experts,
            data=IMAGES,
            monitor="val_accuracy",
            stopper=TO_THE_END,
            max_steps=1_000,
            validate_every=100,
        ),
        Recipe(
            name="mnist-deep",
            summary="The deep network of the same tutorial: 5 x 5 convolutions (32, 64), 1,024 units, dropout",
            build=build_deep,
            data=IMAGES,
            monitor="val_accuracy",
            stopper=PolicySpec.model_validate(parse("patience(steps=5000) | check_finite()")),
            max_steps=20_000,
            validate_every=200,
        ),
        Recipe(
            name="playground",
            summary="The TensorFlow Playground: points of two colours, a small network, a boundary that moves",
            build=build_playground,
            data=tuple(SHAPES),
            monitor="val_loss",
            stopper=TO_THE_END,
            max_steps=5_000,
            validate_every=50,
            metrics=FIT_METRICS | {"train_loss": Mode.MIN},
        ),
    )
}


def get_recipe(name: str) -> Recipe:
    """Return a recipe by name."""
    if name not in RECIPES:
        raise InvalidInput(
            f"There is no recipe {name!r}.", field="source.name", hint=f"This worker has {', '.join(sorted(RECIPES))}."
        )
    return RECIPES[name]


def announce() -> list[RecipeInfo]:
    """Return every recipe as a worker announces it."""
    return [recipe.info() for recipe in RECIPES.values()]
