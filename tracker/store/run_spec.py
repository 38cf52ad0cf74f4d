"""Makes the spec of a run from its request: fills every gap, checks every name and type. Pure.

Whatever is wrong is refused here, before a run exists, with the field's name and the nearest right word.
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
    ExternalSource,
    Mode,
    Parameter,
    RecipeSource,
    RunFields,
    RunRequest,
    RunSpec,
    Said,
)
from keepbest.contract.workers import RecipeInfo
from keepbest.errors import InvalidInput
from keepbest.selection.selectors import build as build_selector
from keepbest.stopping import DEFAULT_STOPPER, build, parse
from keepbest.stopping.policies.epochs import counts_epochs
from keepbest.stopping.registry import nearest

#: Of a run whose recipe says nothing, being the user's own code.
DEFAULT_MONITOR = "val_loss"
DEFAULT_VALIDATE_EVERY = 100
#: What a request calls in epochs what its spec holds in steps.
_SAID = {"max_steps": "epochs", "validate_every": "validate_every_epochs", "stopper": "stopper"}


def settle(request: RunRequest, recipes: Mapping[str, RecipeInfo], usual: PolicySpec | None = None) -> RunSpec:
    """Return the spec of a run; a run without a name gets one that its number completes (`submissions`).

    `recipes` are those that workers announced, by name; `usual` is the project's stopper for runs that are submitted
    without one (a script's own run keeps what the script says). Raises InvalidInput for the first thing that is wrong.
    """
    if request.id is not None and not isinstance(request.source, ExternalSource):
        raise InvalidInput("Only a script chooses the id of its run.", field="id")
    if isinstance(request.source, RecipeSource):
        return _settle_recipe(request, _get_recipe(request.source.name, recipes), usual)
    if isinstance(request.source, CodeSource):
        return _settle_code(request, request.source, usual)
    if epochs := list_epochs(request):
        hint = "Count in steps or validations; a script says its epochs to its own fit: model.fit(epochs=…)."
        raise InvalidInput("Only the script knows how many steps its epochs have.", field=_SAID[epochs[0]], hint=hint)
    if isinstance(request.source, CommandSource):
        usual = None if usual is not None and counts_epochs(usual.model_dump()) else usual
        return _settle_command(request, request.source, usual)
    return _settle_own(request, "run", request.parameters, None)


def _get_recipe(name: str, recipes: Mapping[str, RecipeInfo]) -> RecipeInfo:
    if name in recipes:
        return recipes[name]
    if not recipes:
        message = f"No worker has said yet which recipes it has, so {name!r} is not known."
        hint = "Start one with `keepbest worker`; if one is just starting, try again in a moment."
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
        mode=_settle_mode(request.mode, recipe.metrics.get(monitor, Mode.AUTO)),
        stopper=request.stopper or usual or recipe.stopper,
        max_steps=request.max_steps or (recipe.max_steps if request.epochs is None else None),
        validate_every=request.validate_every or recipe.validate_every,
    )


def _settle_code(request: RunRequest, source: CodeSource, usual: PolicySpec | None) -> RunSpec:
    """The user's function gets the data set as its parameter `data`, if it has one."""
    declared, name = list(source.signature), source.entry.rpartition(":")[2]
    if request.data is not None:
        if all(parameter.name != "data" for parameter in declared):
            raise InvalidInput(
                f"{name} has no parameter 'data'.",
                field="data",
                hint="It brings its own data.",
            )
        declared = [parameter for parameter in declared if parameter.name != "data" or "data" in request.parameters]
    parameters = _check_parameters(request.parameters, declared, source.entry)
    return _settle_own(request, _name_function(source.entry), parameters, usual)


def _name_function(entry: str) -> str:
    """Return the name of runs of `net/model.py:build`: `net.model.build`, or what of its end a name has room for."""
    file, _, function = entry.partition(":")
    parts = [part for part in PurePath(file).with_suffix("").parts if part != "__init__"]
    return ".".join([*parts, function])[-80:].lstrip("._-")


def _settle_command(request: RunRequest, source: CommandSource, usual: PolicySpec | None) -> RunSpec:
    """Parameters and data are the command's own business: its arguments say them."""
    if request.parameters or request.data is not None:
        field = "parameters" if request.parameters else "data"
        raise InvalidInput("A command takes what its arguments say.", field=field, hint="-- python train.py --lr 0.1")
    fixed = [name for name in get_args(Said) if getattr(request, name) is not None]
    fixed_source = source.model_copy(update={"fixed": fixed})
    return _settle_own(request.model_copy(update={"source": fixed_source}), _name_of(source.argv), {}, usual)


def list_epochs(run_fields: RunFields) -> list[Literal["max_steps", "validate_every", "stopper"]]:
    """Return what of a request is counted in epochs, by the field that holds the steps."""
    counted: dict[Literal["max_steps", "validate_every", "stopper"], bool] = {
        "max_steps": run_fields.epochs is not None,
        "validate_every": run_fields.validate_every_epochs is not None,
        "stopper": run_fields.stopper is not None and counts_epochs(run_fields.stopper.model_dump()),
    }
    return [name for name, is_counted in counted.items() if is_counted]


def _name_of(argv: Sequence[str]) -> str:
    """Return the stem of the first script among the words, else the program's name."""
    script = next((word for word in argv if word.endswith((".py", ".sh"))), argv[0])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(script).stem).strip("-._")[:80] or "command"


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


def _settle_mode(mode: Mode | None, known: Mode) -> Mode:
    return known if mode in (None, Mode.AUTO) else mode


def check_stopper(stopper: PolicySpec, mode: Mode) -> PolicySpec:
    """Return the policy with every parameter written out."""
    direction: Literal["min", "max"] = (
        "min" if mode is Mode.MIN else "max"
    )  # which of them changes nothing about the parameters
    return PolicySpec.model_validate(build(stopper.model_dump(), direction).to_json())


def refuse_pausing(stopper: PolicySpec) -> None:
    """Raise InvalidInput for a stopper that pauses a run until others were worse: alone it would wait for ever."""
    pausing = build(stopper.model_dump(), "max").pausing
    if pausing:
        hint = f'keepbest sweep RECIPE --tpe NAME=… --stop "{pausing[0].name}(…)"'
        message = f"{pausing[0].name} compares the runs of a sweep; a run by itself would wait for ever."
        raise InvalidInput(message, field="stopper", hint=hint)


def check_selector(run_fields: RunFields) -> SelectorSpec:
    """Return the selector with every parameter written out; who holds neither model nor data has only the best."""
    selector = build_selector((run_fields.selector or SelectorSpec()).model_dump())
    if not selector.is_usual and not isinstance(run_fields.source, RecipeSource | CodeSource):
        message = f"{selector.name} is done by a worker's own trainer, which builds model and data; a script does not."
        hint = "Leave it out, or submit a function that returns them: keepbest submit my_model.py:build"
        raise InvalidInput(message, field="selector", hint=hint)
    return SelectorSpec.model_validate(selector.to_json())


def _check_data(request: str | None, recipe: RecipeInfo) -> str | None:
    if request is None:
        return recipe.default_data
    if request not in recipe.data:
        _refuse("data", f"{recipe.name} knows no data set {request!r}.", request, recipe.data)
    return request


def _check_parameters(given: Mapping[str, Any], declared: Sequence[Parameter], owner: str) -> dict[str, Any]:
    """Return every parameter with its value: as given, in the declared type, else the default."""
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
