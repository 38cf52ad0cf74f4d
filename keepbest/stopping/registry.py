"""All policies by name: builds a policy from its JSON form, and describes every policy for docs, forms and help.

The JSON form is `{"name": "patience", "params": {"checks": 10}, "policies": []}`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.stopping.policies.compose import AllOf, AnyOf
from keepbest.stopping.policies.guards import CheckFinite, DivergenceThreshold, MaxSeconds, MaxSteps, StoppingThreshold
from keepbest.stopping.policies.halving import SuccessiveHalving
from keepbest.stopping.policies.noise import NoiseAware
from keepbest.stopping.policies.paired import PairedNoise
from keepbest.stopping.policies.params import Kind, Param
from keepbest.stopping.policies.patience import Patience
from keepbest.stopping.policies.plateau import ReduceOnPlateau
from keepbest.stopping.policies.policy import Policy
from keepbest.stopping.policies.prechelt import GeneralizationLoss, ProgressQuotient, Upcrossing
from keepbest.stopping.policies.recover import Recover
from keepbest.stopping.policies.require import Require
from keepbest.stopping.policies.shadow import Shadow
from keepbest.stopping.validation import Mode

MAX_DEPTH = 6
MAX_PARTS = 10
#: Policies of one stopper in all: each gives a verdict at each validation.
MAX_TOTAL = 100

_KINDS: tuple[type[Policy], ...] = (
    Patience,
    StoppingThreshold,
    DivergenceThreshold,
    CheckFinite,
    MaxSteps,
    MaxSeconds,
    GeneralizationLoss,
    ProgressQuotient,
    Upcrossing,
    NoiseAware,
    PairedNoise,
    ReduceOnPlateau,
    Recover,
    SuccessiveHalving,
    AnyOf,
    AllOf,
    Shadow,
    Require,
)
POLICIES: dict[str, type[Policy]] = {kind.name: kind for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class ParamInfo:
    """One parameter as docs and forms show it; `default` is None if the parameter has none."""

    name: str
    kind: Kind
    default: Any
    required: bool
    help: str


@dataclass(frozen=True, slots=True)
class PolicyInfo:
    """One policy as docs and forms show it."""

    name: str
    version: int
    summary: str
    params: tuple[ParamInfo, ...]
    composes: bool


def build(spec: Mapping[str, Any], mode: Mode, *, field: str = "stopper") -> Policy:
    """Build a policy from its JSON form, or raise InvalidInput that names the wrong field below `field`."""
    if (parts := _count_parts(spec)) > MAX_TOTAL:
        raise InvalidInput(f"A stopper has at most {MAX_TOTAL} policies in all, but got {parts}.", field=field)
    return _build(spec, mode, field, depth=1)


def _count_parts(spec: object) -> int:
    """Count the policies, level by level, until they are too many or too deep; `_build` finds what is no policy."""
    level, count = [spec], 0
    for _ in range(MAX_DEPTH):
        count += len(level)
        if count > MAX_TOTAL:
            break
        lists = [item.get("policies") for item in level if isinstance(item, Mapping)]
        level = [
            part for parts in lists if isinstance(parts, Sequence) and not isinstance(parts, str) for part in parts
        ]
    return count


def describe() -> list[PolicyInfo]:
    """Return every policy with its parameters."""
    return [
        PolicyInfo(
            kind.name,
            kind.version,
            inspect.cleandoc(kind.__doc__ or "").partition("\n\nExample:")[0],
            declared_params(kind),
            composes(kind),
        )
        for kind in _KINDS
    ]


def declared_params(kind: type[Any]) -> tuple[ParamInfo, ...]:
    """Return the parameters of a policy or selector, in the order of their declaration."""
    return tuple(
        ParamInfo(f.name, param.kind, None if f.default is MISSING else f.default, f.default is MISSING, param.help)
        for f in fields(kind)
        if isinstance(param := f.metadata.get("param"), Param)
    )


def composes(kind: type[Policy]) -> bool:
    """Whether policies of this kind hold others."""
    return any(f.name == "policies" for f in fields(kind))


def get_kind(name: object, *, field: str = "stopper.name") -> type[Policy]:
    """Return the policy of that name, or raise InvalidInput with the nearest right one."""
    if isinstance(name, str) and name in POLICIES:
        return POLICIES[name]
    raise InvalidInput(f"There is no policy {name!r}.", field=field, hint=nearest(str(name), POLICIES))


def _build(spec: Mapping[str, Any], mode: Mode, field: str, depth: int) -> Policy:
    _check_form(spec, field)
    kind = get_kind(spec.get("name"), field=f"{field}.name")
    _check_version(kind, spec.get("version", kind.version), field)
    arguments = _arguments(kind, spec.get("params") or {}, f"{field}.params")
    parts = _parts(kind, spec.get("policies") or [], mode, f"{field}.policies", depth)
    try:
        return kind(mode=mode, **arguments, **parts)
    except InvalidInput as error:
        raise _below(error, field) from None


def _check_form(spec: object, field: str) -> None:
    if not isinstance(spec, Mapping):
        raise InvalidInput(f"A policy is an object with a name, but got {spec!r}.", field=field)
    known = ("name", "version", "params", "policies")
    for key in spec:
        if key not in known:
            raise InvalidInput(f"A policy has no field {key!r}.", field=f"{field}.{key}", hint=nearest(str(key), known))
    if not isinstance(spec.get("params") or {}, Mapping):
        raise InvalidInput("params is an object of names and values.", field=f"{field}.params")
    if not isinstance(spec.get("policies") or [], Sequence) or isinstance(spec.get("policies"), str):
        raise InvalidInput("policies is a list of policies.", field=f"{field}.policies")


def _check_version(kind: type[Policy], version: object, field: str) -> None:
    if version != kind.version:
        raise InvalidInput(
            f"This keepbest knows {kind.name} in version {kind.version}, not {version!r}.",
            field=f"{field}.version",
            hint="Install the version of keepbest that made the run, or leave the policy's version out.",
        )


def _arguments(kind: type[Policy], params: Mapping[str, Any], field: str) -> dict[str, Any]:
    declared = {param.name: param for param in declared_params(kind)}
    for name in params:
        if name not in declared:
            hint = nearest(str(name), declared)
            raise InvalidInput(f"{kind.name} has no parameter {name!r}.", field=f"{field}.{name}", hint=hint)
    for name, param in declared.items():
        if param.required and params.get(name) is None:
            raise InvalidInput(f"{kind.name} needs {name}: {param.help}.", field=f"{field}.{name}")
    return {name: value for name, value in params.items() if value is not None}


def _parts(
    kind: type[Policy], specs: Sequence[Mapping[str, Any]], mode: Mode, field: str, depth: int
) -> dict[str, tuple[Policy, ...]]:
    if not composes(kind):
        if specs:
            raise InvalidInput(f"{kind.name} holds no other policies.", field=field, hint="Use any_of or all_of.")
        return {}
    if depth >= MAX_DEPTH or len(specs) > MAX_PARTS:
        raise InvalidInput(f"A policy holds at most {MAX_PARTS} policies, {MAX_DEPTH} deep.", field=field)
    return {"policies": tuple(_build(spec, mode, f"{field}.{i}", depth + 1) for i, spec in enumerate(specs))}


def _below(error: InvalidInput, field: str) -> InvalidInput:
    outside = error.field in ("mode", None)
    place = error.field if outside else f"{field}.{'' if error.field == 'policies' else 'params.'}{error.field}"
    return InvalidInput(error.message, field=place, hint=error.hint)
