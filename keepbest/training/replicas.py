"""Warns of replicas, in training on several devices, whose differences a state does not hold."""

from __future__ import annotations

import logging
from typing import Any

from keepbest.model.variables import value_of

_log = logging.getLogger("keepbest")
_SHOWN = 3


def find_own_statistics(model: Any) -> list[str]:
    """Return the layers whose moving statistics differ by replica: BatchNormalization that is not synchronised.

    On one device there are none.
    """
    flatten = getattr(model, "_flatten_layers", None)
    if flatten is None:
        return []
    import keras

    own = (item for item in flatten() if isinstance(item, keras.layers.BatchNormalization) and not item.synchronized)
    return [item.name for item in own if any(len(getattr(value_of(held), "values", ())) > 1 for held in item.variables)]


def warn_of_replicas(model: Any) -> None:
    """Log which statistics of differing replicas a state keeps."""
    names = find_own_statistics(model)
    if names:
        _log.warning(
            "keepbest: each replica has moving statistics of its own in %s%s. A state keeps those of the first, as "
            "Keras saves them, and a restore gives them to all: a restored value may differ from one measured across "
            "the replicas. BatchNormalization(synchronized=True) has the same statistics on each.",
            ", ".join(names[:_SHOWN]),
            f" and {len(names) - _SHOWN} more layers" if len(names) > _SHOWN else "",
        )
