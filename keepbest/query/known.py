"""The names that a project's runs have: what a bare name can mean, and what completion offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from keepbest.query.terms import Operand


@dataclass(frozen=True, slots=True)
class Known:
    """Names of metrics, of parameters with a few values of each, and what runs are called; `is_cut`: there are more."""

    metrics: Collection[str] = ()
    parameters: Mapping[str, Sequence[Operand]] = field(default_factory=dict)
    tags: Collection[str] = ()
    recipes: Collection[str] = ()
    workers: Collection[str] = ()
    users: Collection[str] = ()
    is_cut: bool = False
