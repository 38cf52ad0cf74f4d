"""Training on several devices at once: what of it one state holds."""

from __future__ import annotations

import logging
from typing import Any

from keepbest.model.variables import value_of

_log = logging.getLogger("keepbest")
_SHOWN = 3


def find_own_statistics(model: Any) -> list[str]:
    """Return the layers whose moving statistics differ from replica to replica: BatchNormalization, not synchronised.

    Nothing on one device.
    """
    flatten = getattr(model, "_flatten_layers", None)
    if flatten is None:
        return []
    import keras

    own = (item for item in flatten() if isinstance(item, keras.layers.BatchNormalization) and not item.synchronized)
    return [item.name for item in own if any(len(_replicas(variable)) > 1 for variable in item.variables)]


def warn_of_replicas(model: Any) -> None:
    """Say what of replicas that differ is kept."""
    names = find_own_statistics(model)
    if names:
        _log.warning(
            "keepbest: each replica has moving statistics of its own in %s%s. Those of the first are kept, as Keras "
            "reads and saves them, and all get them where a state is put back: what was measured across the replicas "
            "is met but for that. BatchNormalization(synchronized=True) has the same on each.",
            ", ".join(names[:_SHOWN]),
            f" and {len(names) - _SHOWN} more layers" if len(names) > _SHOWN else "",
        )


def _replicas(variable: Any) -> tuple[Any, ...]:
    return tuple(getattr(value_of(variable), "values", ()))
