"""What each example lost at a validation, so that two validations can be compared example by example."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepbest.errors import PolicyError
from keepbest.stopping.bootstrap import bootstrap_quantile

#: What the state holds of them stays below 270 kB.
MAX_EXAMPLES = 50_000


@dataclass(frozen=True, slots=True)
class Losses:
    """One number of each example, in the same order at each validation: its loss, or whatever the monitored value is
    of.

    Kept as float32 in `data`, lowest byte first: what Keras computes. `note` says what they leave out.
    """

    data: bytes
    note: str = ""

    @classmethod
    def of(cls, losses: Any, note: str = "") -> Losses:
        """Pack a vector of numbers: a list, an array, a tensor. Raises PolicyError for another, and for too many."""
        import numpy as np  # not with the library: few validations bring one

        numbers = np.asarray(losses)
        if numbers.ndim != 1 or numbers.dtype.kind not in "fiub" or not len(numbers):
            raise PolicyError(
                "losses are the loss of each example: a vector of numbers.",
                field="losses",
                hint="For example, in Keras: losses=keras.losses.sparse_categorical_crossentropy(labels, predicted)",
            )
        if len(numbers) > MAX_EXAMPLES:
            raise PolicyError(
                f"losses of {len(numbers):,} examples: the stopper's state holds {MAX_EXAMPLES:,} at most.",
                field="losses",
                hint="Give those of the same part of them at each validation, such as losses[:50_000].",
            )
        with np.errstate(over="ignore"):  # beyond float32 it is infinite, and no gain
            return cls(numbers.astype("<f4").tobytes(), note)

    @property
    def n(self) -> int:
        return len(self.data) // 4

    @property
    def is_finite(self) -> bool:
        import numpy as np

        return bool(np.isfinite(self._read()).all())

    def to_json(self) -> dict[str, Any]:
        """Return the numbers in base64: 26,668 characters for 5,000 examples."""
        return {"float32": b64encode(self.data).decode()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Losses:
        """Rebuild what `to_json` gave."""
        return cls(b64decode(plain["float32"]))

    def weigh(self, before: Losses, alpha: float, *, is_higher_better: bool) -> tuple[bool, str]:
        """Return whether the examples' mean gain since `before` is above 0 by more than chance, and that in words.

        That is where the `alpha` quantile of its bootstrap is.
        """
        gains = self._read() - before._read() if is_higher_better else before._read() - self._read()
        quantile = bootstrap_quantile(gains, alpha)
        words = f"mean gain {gains.mean():.3g}, its {100 * alpha:.3g} % quantile {quantile:.3g}"
        return quantile > 0, f"{words}; {self.note}" if self.note else words

    def _read(self) -> Any:
        import numpy as np

        return np.frombuffer(self.data, "<f4").astype(np.float64)
