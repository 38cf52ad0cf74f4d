"""The loss of each example at a validation: so two validations can be compared example by example."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepbest.errors import PolicyError
from keepbest.figures import figure
from keepbest.stopping.bootstrap import bootstrap_quantile

#: The stopper's state holds the losses of so many examples in less than 270 kB.
MAX_EXAMPLES = 50_000


@dataclass(frozen=True, slots=True)
class Losses:
    """One number for each example, in the same order at each validation: its loss, or its part of the monitored value.

    `data` holds float32 values, lowest byte first. `note` says what the numbers leave out.
    """

    data: bytes
    note: str = ""

    @classmethod
    def of(cls, losses: Any, note: str = "") -> Losses:
        """Pack a list, array or tensor of numbers. Raises PolicyError for anything else, and for too many numbers."""
        import numpy as np  # imported late: few validations bring a vector

        numbers = np.asarray(losses)
        if numbers.ndim != 1 or numbers.dtype.kind not in "fiub" or not len(numbers):
            raise PolicyError(
                "losses is a vector of numbers: the loss of each example.",
                field="losses",
                hint="For example, in Keras: losses=keras.losses.sparse_categorical_crossentropy(labels, predicted)",
            )
        if len(numbers) > MAX_EXAMPLES:
            raise PolicyError(
                f"The stopper's state holds the losses of {MAX_EXAMPLES:,} examples at most, but got {len(numbers):,}.",
                field="losses",
                hint="Give the losses of the same examples at each validation, such as losses[:50_000].",
            )
        with np.errstate(over="ignore"):  # a loss beyond float32 becomes infinite, and so is no gain
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
        """Return whether the `alpha` quantile of the bootstrapped mean gain since `before` is above 0, and say it."""
        gains = self._read() - before._read() if is_higher_better else before._read() - self._read()
        quantile = bootstrap_quantile(gains, alpha)
        words = f"mean gain {figure(gains.mean(), 3)}, its {figure(100 * alpha, 3)} % quantile {figure(quantile, 3)}"
        return quantile > 0, f"{words}; {self.note}" if self.note else words

    def _read(self) -> Any:
        import numpy as np

        return np.frombuffer(self.data, "<f4").astype(np.float64)
