"""Recipes as they are announced; building them is the trainer's test."""

from __future__ import annotations

import subprocess
import sys

import pytest

from keepbest.contract.workers import RecipeInfo
from keepbest.errors import InvalidInput
from keepbest.stopping import Patience, build
from tests.support.processes import ROOT
from worker import recipes
from worker.data import LOADERS
from worker.recipes.parameters import check_arguments, read_parameters


def test_announcing_loads_no_tensorflow() -> None:
    program = "import sys; from worker import recipes; recipes.announce(); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("info", recipes.announce(), ids=lambda info: info.name)
def test_every_recipe_can_be_submitted_as_announced(info: RecipeInfo) -> None:
    assert info.monitor in info.metrics
    assert info.default_data in info.data
    assert set(info.data) <= set(LOADERS)
    assert all(parameter.type != "json" and not parameter.required for parameter in info.parameters)


def test_the_tutorial_s_numbers() -> None:
    info = recipes.get_recipe("hvass-cnn").info()
    assert {parameter.name: parameter.default for parameter in info.parameters} == {
        "learning_rate": 1e-4,
        "batch_size": 64,
    }
    assert (info.monitor, info.validate_every, info.max_steps) == ("val_accuracy", 100, 10_000)
    patience, finite = build(info.stopper.model_dump(), "max").parts
    assert isinstance(patience, Patience)
    assert (patience.steps, patience.every_step, patience.inclusive, finite.name) == (1000, True, False, "check_finite")


def test_an_unknown_recipe_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        recipes.get_recipe("hvas-cnn")
    assert caught.value.hint == f"This worker has {', '.join(sorted(recipes.RECIPES))}."


def build_model(
    required: int, *rest: int, rate: float = 0.1, deep: bool = False, names: list[str] | None = None
) -> None:
    """Stand in for a user's function."""


def test_parameters_are_read_from_the_signature() -> None:
    found = {parameter.name: (parameter.type, parameter.required) for parameter in read_parameters(build_model)}
    assert found == {
        "required": ("int", True),
        "rate": ("float", False),
        "deep": ("bool", False),
        "names": ("json", False),
    }


@pytest.mark.parametrize("arguments", [{}, {"required": 1, "rte": 2}])
def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_arguments(build_model, arguments)
    assert "rate: 'float' = 0.1" in str(caught.value.hint)
