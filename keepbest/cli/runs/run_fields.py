"""Reads the options that `submit` and `sweep` share, as fields of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from keepbest.cli.common.output import warn
from keepbest.contract.policies import PolicySpec, RetentionSpec, SelectorSpec
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput
from keepbest.rates import find_absurd
from keepbest.selection.syntax import parse as parse_selector
from keepbest.settings import load
from keepbest.stopping import AnyOf, Shadow
from keepbest.stopping import parse as parse_stopper

_PACE = re.compile(r"(?P<count>[\d_.]+(?:e\d+)?)\s*(?P<unit>steps|step|epochs|epoch|)")


def read_fields(
    *,
    project: str | None,
    label: list[str] | None,
    tag: list[str] | None,
    patience: str | None,
    stop: str | None,
    shadow: list[str] | None,
    keep: str | None,
    select: str | None,
    validate_every: str | None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the fields of a request; those in `fields` have their values already. Raises InvalidInput."""
    return {
        **fields,
        **parse_pace(validate_every),
        "project": project or load().project,
        "labels": parse_labels(label or []),
        "tags": tag or [],
        "stopper": choose_stopper(patience, stop, shadow or []),
        "retention": parse_keep(keep) if keep is not None else None,
        "selector": request(SelectorSpec, **parse_selector(select)) if select is not None else None,
    }


def check_examples(argv: list[str] | None, count: int) -> None:
    """Raise InvalidInput for stored examples of a command, whose data only its script knows."""
    if argv and count:
        hint = "In the script: KeepBest(validation=(x, y), keep_examples=8)"
        raise InvalidInput("Only a command's script knows its data.", field="keep_examples", hint=hint)


def warn_of_rates(parameters: Iterable[tuple[str, Any]]) -> None:
    """Warn of each parameter that is a learning rate by its name and has an absurd value."""
    for name, value in parameters:
        is_rate = name in ("lr", "rate", "learning_rate") or name.endswith(("_lr", "_learning_rate"))
        if is_rate and isinstance(value, int | float) and (odd := find_absurd(value)) is not None:
            warn(f"warning: {name}={value!r}: {odd}")


def choose_stopper(patience: str | None, stop: str | None, shadows: Sequence[str] = ()) -> PolicySpec | None:
    """Return the stopper of `--stop` or `--patience`, with the policies of `--shadow`; None without any of them.

    `--patience` stops at NaN, too. With shadow policies alone, a run trains to its last step or to the first NaN.
    """
    if patience is not None and stop is not None:
        raise InvalidInput(
            "--patience and --stop exclude each other.", field="patience", hint=f"--stop '{patience} | {stop}'"
        )
    deciding = None if stop is None else _read(stop, "--stop")
    if patience is not None:
        deciding = _any_of(_read(patience, "--patience"), parse_stopper("check_finite()"))
    if shadows:
        shadowed = [{"name": Shadow.name, "policies": [_read(shadow, "--shadow")]} for shadow in shadows]
        deciding = _any_of(deciding or parse_stopper("check_finite()"), *shadowed)
    return None if deciding is None else request(PolicySpec, **deciding)


def parse_pace(text: str | None) -> dict[str, float]:
    """Read `100`, `100steps`, `1epoch` or `0.5epochs`, as the fields of a request."""
    if text is None:
        return {}
    match = _PACE.fullmatch(text.strip())
    with suppress(ValueError):
        if match and float(match["count"]) > 0:
            is_epochs = match["unit"].startswith("epoch")
            count = match["count"].replace("_", "")
            return {"validate_every_epochs": float(count)} if is_epochs else {"validate_every": int(count)}
    message = f"{text!r} does not say how often to validate."
    raise InvalidInput(message, field="--validate-every", hint="Like 100 (steps), or 1epoch.")


def parse_keep(text: str) -> RetentionSpec:
    """Read `best=3,last=2,every=1000`; a missing name keeps its default."""
    names = {"best": "best", "last": "last", "every": "every_steps"}
    pairs = [part.partition("=") for part in text.split(",")]
    given = {names.get(name.strip(), ""): count.strip() for name, _, count in pairs}
    if "" in given or len(given) != len(pairs) or not all(count.isdecimal() for count in given.values()):
        raise InvalidInput(f"{text!r} does not say what to keep.", field="keep", hint="Like best=3,last=2,every=1000.")
    return request(RetentionSpec, **{name: int(count) for name, count in given.items()})


def parse_labels(pairs: list[str]) -> dict[str, str]:
    """Read `KEY=VALUE` texts."""
    split = [pair.partition("=") for pair in pairs]
    wrong = next((pair for pair, (key, sign, _) in zip(pairs, split, strict=True) if not key or not sign), None)
    if wrong is not None:
        raise InvalidInput(f"--label takes key=value, but got {wrong!r}.", field="label")
    return {key: value for key, _, value in split}


def _read(text: str, option: str) -> dict[str, Any]:
    """Read the policy of one option, so that an error shows that option's text alone."""
    try:
        return parse_stopper(text)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=option, hint=error.hint) from None


def _any_of(first: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    parts = first["policies"] if first["name"] == AnyOf.name else [first]
    return {"name": AnyOf.name, "params": {}, "policies": [*parts, *more]}
