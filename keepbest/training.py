"""What a build function returns: a compiled model and the data it is trained, validated and tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keepbest.errors import InvalidInput

_SHAPES = "(model, train, validation) or (model, train, validation, test)"


@dataclass(frozen=True)
class Training:
    """All that is needed to train one model.

    Each part is a tuple `(x, y)` or `(x, y, sample_weight)` of arrays, a batched `tf.data.Dataset`, or a Keras
    `PyDataset`. `batch_size` is used for arrays only. `about` (names, sizes, digests of the data: JSON) is kept with
    the run.

    Each look also measures the parts in `also`, under `<name>_<metric>`, and logs the variables in `watch` that hold
    one number, each under its name: curves of a weight or a bias. With `panels` pictures are made of the validation
    part at some looks; `classes` names its labels there.
    """

    model: Any
    train: Any
    validation: Any
    test: Any = None
    batch_size: int = 32
    about: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, Any] = field(default_factory=dict)
    watch: Mapping[str, Any] = field(default_factory=dict)
    classes: Sequence[str] = ()
    panels: bool = True

    @classmethod
    def of(cls, built: object) -> Training:
        """Return what a build function returned as a Training; a plain tuple is accepted too."""
        if isinstance(built, Training):
            return built
        if isinstance(built, tuple) and len(built) in (3, 4):
            return cls(*built)
        raise InvalidInput(
            f"The build function returned {_described(built)}.",
            hint=f"Return keepbest.Training(model, train, validation, test), or a tuple {_SHAPES}.",
        )


def _described(built: object) -> str:
    if isinstance(built, tuple):
        return f"a tuple of {len(built)}"
    return "nothing" if built is None else f"a {type(built).__name__}"
