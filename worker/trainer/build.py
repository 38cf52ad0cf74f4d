"""Builds the model and the data of a run, by a built-in recipe or by the user's own function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keepbest.contract.runs import CodeSource, RecipeSource, RunSpec
from keepbest.errors import InvalidInput
from keepbest.training.spec import Training
from worker import data
from worker.recipes import get_recipe
from worker.recipes.parameters import check_arguments, read_parameters
from worker.trainer.user_code import load_function, open_folder


def build(spec: RunSpec, *, code: Path, data_folder: Path | None) -> Training:
    """Return model and data. Errors of the user's own code pass through unchanged."""
    if isinstance(spec.source, CodeSource):
        built = _build_users(spec, spec.source, code)
    elif isinstance(spec.source, RecipeSource):
        built = _build_recipe(spec, spec.source, data_folder)
    else:
        raise InvalidInput("The own script of this run trains it, not a worker.", field="source")
    training = Training.of(built)
    _check_model(training.model)
    return training


def _build_recipe(spec: RunSpec, source: RecipeSource, data_folder: Path | None) -> Training:
    recipe = get_recipe(source.name)
    split = data.load(spec.data or recipe.data[0], data_folder)
    check_arguments(recipe.build, {"split": split, **spec.parameters})
    return recipe.build(split, **spec.parameters)


def _build_users(spec: RunSpec, source: CodeSource, code: Path) -> object:
    open_folder(code)
    function = load_function(code, source.entry)
    arguments = {**spec.parameters, **_data_argument(function, spec)}
    check_arguments(function, arguments)
    return function(**arguments)


def _data_argument(function: Any, spec: RunSpec) -> dict[str, Any]:
    """Return the run's data set for a function with a parameter `data`, unless the run has a parameter `data`."""
    names = {parameter.name for parameter in read_parameters(function)}
    if spec.data is not None and "data" in names and "data" not in spec.parameters:
        return {"data": spec.data}
    return {}


def _check_model(model: Any) -> None:
    import keras

    if not isinstance(model, keras.Model):
        raise InvalidInput(
            f"The build function's first result is a {type(model).__name__}, not a Keras model.",
            hint="Return keepbest.Training(model, train, validation, test).",
        )
    if not model.compiled:
        raise InvalidInput(
            "The model is not compiled.",
            hint="Call model.compile(optimizer=..., loss=..., metrics=[...]) before you return it.",
        )
