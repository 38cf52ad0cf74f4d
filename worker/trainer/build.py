"""From what was asked to a model and its data: a built-in recipe, or the user's own function."""

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
    """Return model and data. What the user's own code raises passes through as it is."""
    if isinstance(spec.source, CodeSource):
        built = _build_users(spec, spec.source, code)
    elif isinstance(spec.source, RecipeSource):
        built = _build_recipe(spec, spec.source, data_folder)
    else:
        raise InvalidInput("A run of this kind is trained by its own script.", field="source")
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
    arguments = {**spec.parameters, **_asked_for(function, spec)}
    check_arguments(function, arguments)
    return function(**arguments)


def _asked_for(function: Any, spec: RunSpec) -> dict[str, Any]:
    """A function with a parameter `data` is told the run's data set, unless a parameter of that name was given."""
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
