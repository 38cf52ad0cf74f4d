"""Makes the spec of a run from its request: fills every gap, checks every name and type. Pure.

An error names the field and the nearest right word, before a run exists.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal, get_args

from keepbest.contract.policies import PolicySpec, RetentionSpec, SelectorSpec
from keepbest.contract.runs import (
    CodeSource,
    CommandSource,
    DeclaredField,
    ExternalSource,
    Mode,
    Parameter,
    RecipeSource,
    RunFields,
    RunRequest,
    RunSpec,
)
from keepbest.contract.workers import RecipeInfo
from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.selection.selectors import build as build_selector
from keepbest.stopping import DEFAULT_STOPPER, build, parse
from keepbest.stopping.policies.epochs import counts_epochs

#: The defaults of a run of the user's own code, which has no recipe to name them.
DEFAULT_MONITOR = "val_loss"
DEFAULT_VALIDATE_EVERY = 100
#: The field of a request that counts in epochs, for each field of a spec that counts in steps.
_SAID = {"max_steps": "epochs", "validate_every": "validate_every_epochs", "stopper": "stopper"}


def settle(request: RunRequest, recipes: Mapping[str, RecipeInfo], usual: PolicySpec | None = None) -> RunSpec:
    """Return the spec of a run; without a name it gets one to which `submissions` adds its number.

    `recipes` are those that workers announced, by name. `usual` is the project's stopper for runs submitted without
    one; a script's own run keeps the script's stopper. Raises InvalidInput for the first wrong field.
    """
    if request.id is not None and not isinstance(request.source, ExternalSource):
        raise InvalidInput("Only a script chooses the id of its run.", field="id")
    if isinstance(request.source, RecipeSource):
        return _settle_recipe(request, _get_recipe(request.source.name, recipes), usual)
    if isinstance(request.source, CodeSource):
        return _settle_code(request, request.source, usual)
    if epochs := list_epochs(request):
        hint = "Count in steps or validations; a script sets epochs in its own fit: model.fit(epochs=…)."
        raise InvalidInput("Only the script knows how many steps its epochs have.", field=_SAID[epochs[0]], hint=hint)
    if isinstance(request.source, CommandSource):
        usual = None if usual is not None and counts_epochs(usual.model_dump()) else usual
        return _settle_command(request, request.source, usual)
    return _settle_own(request, "run", request.parameters, None)


def _get_recipe(name: str, recipes: Mapping[str, RecipeInfo]) -> RecipeInfo:
    if name in recipes:
        return recipes[name]
    if not recipes:
        message = f"No worker has announced its recipes yet, so {name!r} is not known."
        hint = "Start a worker with `keepbest worker`; if one is just starting, try again in a moment."
        raise InvalidInput(message, field="source.name", hint=hint)
    raise InvalidInput(f"There is no recipe {name!r}.", field="source.name", hint=nearest(name, recipes))


def _settle_recipe(request: RunRequest, recipe: RecipeInfo, usual: PolicySpec | None) -> RunSpec:
    monitor = request.monitor or recipe.monitor
    if recipe.metrics and monitor not in recipe.metrics:
        _refuse("monitor", f"{recipe.name} measures no {monitor!r}.", monitor, recipe.metrics)
    return _fill(
        request,
        name=recipe.name,
        parameters=_check_parameters(request.parameters, recipe.parameters, recipe.name),
        data=_check_data(request.data, recipe),
        monitor=monitor,
        mode=recipe.metrics.get(monitor, Mode.AUTO) if request.mode in (None, Mode.AUTO) else request.mode,
        stopper=request.stopper or usual or recipe.stopper,
        max_steps=request.max_steps or (recipe.max_steps if request.epochs is None else None),
        validate_every=request.validate_every or recipe.validate_every,
    )


def _settle_code(request: RunRequest, source: CodeSource, usual: PolicySpec | None) -> RunSpec:
    """Return the spec for a user's function, which gets the data set as its parameter `data`."""
    declared, name = list(source.signature), source.entry.rpartition(":")[2]
    if request.data is not None:
        if all(parameter.name != "data" for parameter in declared):
            raise InvalidInput(
                f"{name} has no parameter 'data'.", field="data", hint="Leave data out: the function loads its own."
            )
        declared = [parameter for parameter in declared if parameter.name != "data" or "data" in request.parameters]
    parameters = _check_parameters(request.parameters, declared, source.entry)
    return _settle_own(request, _name_function(source.entry), parameters, usual)


def _name_function(entry: str) -> str:
    """Return the default name for an entry: `net.model.build` for `net/model.py:build`, its last 80 characters."""
    file, _, function = entry.partition(":")
    parts = [part for part in PurePath(file).with_suffix("").parts if part != "__init__"]
    return ".".join([*parts, function])[-80:].lstrip("._-")


def _settle_command(request: RunRequest, source: CommandSource, usual: PolicySpec | None) -> RunSpec:
    """Return the spec for a command, whose arguments name its parameters and data."""
    if request.parameters or request.data is not None:
        field = "parameters" if request.parameters else "data"
        message = f"A command takes its {field} from its own arguments."
        raise InvalidInput(message, field=field, hint="-- python train.py --lr 0.1")
    fixed = [name for name in get_args(DeclaredField) if getattr(request, name) is not None]
    fixed_source = source.model_copy(update={"fixed": fixed})
    script = next((word for word in source.argv if word.endswith((".py", ".sh"))), source.argv[0])
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(script).stem).strip("-._")[:80] or "command"
    return _settle_own(request.model_copy(update={"source": fixed_source}), name, {}, usual)


def list_epochs(run_fields: RunFields) -> list[Literal["max_steps", "validate_every", "stopper"]]:
    """Return the fields of the spec that a request counts in epochs."""
    counted: dict[Literal["max_steps", "validate_every", "stopper"], bool] = {
        "max_steps": run_fields.epochs is not None,
        "validate_every": run_fields.validate_every_epochs is not None,
        "stopper": run_fields.stopper is not None and counts_epochs(run_fields.stopper.model_dump()),
    }
    return [name for name, is_counted in counted.items() if is_counted]


def _settle_own(request: RunRequest, name: str, parameters: dict[str, Any], usual: PolicySpec | None) -> RunSpec:
    return _fill(
        request,
        name=name,
        parameters=parameters,
        data=request.data,
        monitor=request.monitor or DEFAULT_MONITOR,
        mode=request.mode or Mode.AUTO,
        stopper=request.stopper or usual or PolicySpec.model_validate(parse(DEFAULT_STOPPER)),
        max_steps=request.max_steps,
        validate_every=request.validate_every or DEFAULT_VALIDATE_EVERY,
    )


def _fill(request: RunRequest, *, name: str, mode: Mode, stopper: PolicySpec, **settled: Any) -> RunSpec:
    given = {field: getattr(request, field) for field in RunFields.model_fields}
    return RunSpec(
        **given
        | settled
        | {
            "name": request.name or name,
            "mode": mode,
            "stopper": check_stopper(stopper, mode),
            "retention": request.retention or RetentionSpec(),
            "selector": check_selector(request),
        }
    )


def check_stopper(stopper: PolicySpec, mode: Mode) -> PolicySpec:
    """Return the policy with the value of every parameter; these do not depend on an unknown mode."""
    direction: Literal["min", "max"] = "min" if mode is Mode.MIN else "max"
    return PolicySpec.model_validate(build(stopper.model_dump(), direction).to_json())


def refuse_pausing(stopper: PolicySpec) -> None:
    """Raise InvalidInput for a stopper that pauses a run until others do worse: a single run would wait for ever."""
    pausing = build(stopper.model_dump(), "max").pausing
    if pausing:
        hint = f'keepbest sweep RECIPE --tpe NAME=… --stop "{pausing[0].name}(…)"'
        message = f"{pausing[0].name} compares the runs of a sweep; a single run would wait for ever."
        raise InvalidInput(message, field="stopper", hint=hint)


def check_selector(run_fields: RunFields) -> SelectorSpec:
    """Return the selector with the value of every parameter; only a worker's own trainer applies another than best."""
    selector = build_selector((run_fields.selector or SelectorSpec()).model_dump())
    if not selector.is_usual and not isinstance(run_fields.source, RecipeSource | CodeSource):
        message = f"Only a worker's trainer applies {selector.name}, since it builds the model and its data itself."
        hint = "Leave the selector out, or submit a function that returns both: keepbest submit my_model.py:build"
        raise InvalidInput(message, field="selector", hint=hint)
    return SelectorSpec.model_validate(selector.to_json())


def _check_data(name: str | None, recipe: RecipeInfo) -> str | None:
    if name is None:
        return recipe.default_data
    if name not in recipe.data:
        _refuse("data", f"{recipe.name} has no data set {name!r}.", name, recipe.data)
    return name


def _check_parameters(given: Mapping[str, Any], declared: Sequence[Parameter], owner: str) -> dict[str, Any]:
    """Return the value of every parameter in its declared type: the given one, else the default."""
    known = {parameter.name: parameter for parameter in declared}
    for name in given:
        if name not in known:
            _refuse(f"parameters.{name}", f"{owner} has no parameter {name!r}.", name, known)
    settled = {}
    for name, parameter in known.items():
        if name in given:
            settled[name] = _typed(parameter, given[name])
        elif parameter.required:
            raise InvalidInput(f"{owner} needs {name}.", field=f"parameters.{name}", hint=f"--set {name}=…")
        else:
            settled[name] = parameter.default
    return settled


def _typed(parameter: Parameter, value: Any) -> Any:
    if value is None and parameter.default is None and not parameter.required:
        return None
    typed = _TYPES[parameter.type](value)
    if typed is _WRONG:
        raise InvalidInput(
            f"{parameter.name} must be {_WORDS[parameter.type]}, but got {value!r}.",
            field=f"parameters.{parameter.name}",
            hint=parameter.help or f"For example {parameter.default!r}, the default."
            if not parameter.required
            else None,
        )
    return typed


def _refuse(field: str, message: str, word: str, known: Iterable[str]) -> None:
    raise InvalidInput(message, field=field, hint=nearest(word, known))


_WRONG = object()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any) -> Any:
    return int(value) if _is_number(value) and math.isfinite(value) and value == int(value) else _WRONG


_TYPES: dict[str, Callable[[Any], Any]] = {
    "int": _whole,
    "float": lambda value: float(value) if _is_number(value) else _WRONG,
    "bool": lambda value: value if isinstance(value, bool) else _WRONG,
    "str": lambda value: value if isinstance(value, str) else _WRONG,
    "json": lambda value: value,
}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text", "json": "JSON"}
