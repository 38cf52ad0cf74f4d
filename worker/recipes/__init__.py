"""Built-in models by name. Importing this loads no TensorFlow: a worker announces its recipes before it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Mode
from keepbest.contract.workers import RecipeInfo
from keepbest.errors import InvalidInput
from keepbest.stopping import parse
from keepbest.training import Training
from worker.recipes.hvass import build_cnn
from worker.recipes.parameters import read_parameters

CLASSIFIER_METRICS = {"val_accuracy": Mode.MAX, "val_loss": Mode.MIN, "accuracy": Mode.MAX, "loss": Mode.MIN}


@dataclass(frozen=True)
class Recipe:
    """A build function, the data it takes, and how it is trained unless the request says otherwise."""

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
            # The tutorial's loop: more than 1000 steps without a better look, checked at every step.
            stopper=PolicySpec.model_validate(parse("patience(steps=1000) | check_finite()")),
            max_steps=10_000,
            validate_every=100,
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
