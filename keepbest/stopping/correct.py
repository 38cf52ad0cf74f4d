"""Which examples a validation got right: one bit each, so that two validations can be compared example by example."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepbest.errors import PolicyError
from keepbest.stopping.statistics import mcnemar_exact


@dataclass(frozen=True, slots=True)
class Correct:
    """`n` examples, in the same order at each validation; example i was right where bit i, from the highest, is set."""

    n: int
    bits: int

    @classmethod
    def of(cls, correct: Any) -> Correct:
        """Pack a vector of true or false (or 0 and 1): a list, an array, a tensor. Raises PolicyError for another."""
        import numpy as np  # not with the library: few validations bring one

        flags = np.asarray(correct)
        if flags.ndim != 1 or not np.isin(flags, (0, 1)).all():
            raise PolicyError(
                "correct says of each example whether it was right: a vector of true or false.",
                field="correct",
                hint="For example: correct=predicted == labels",
            )
        return cls(len(flags), int.from_bytes(np.packbits(flags.astype(bool)).tobytes(), "big") >> -len(flags) % 8)

    def to_json(self) -> dict[str, Any]:
        """Return the bits in bytes, written in base64: 840 characters for 5,000 examples."""
        return {"n": self.n, "bits": b64encode(self.bits.to_bytes((self.n + 7) // 8, "big")).decode()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Correct:
        """Rebuild what `to_json` gave."""
        return cls(plain["n"], int.from_bytes(b64decode(plain["bits"]), "big"))

    def count_gains(self, before: Correct) -> tuple[int, int]:
        """Return how many examples are newly right since `before`, and how many newly wrong."""
        return (self.bits & ~before.bits).bit_count(), (before.bits & ~self.bits).bit_count()

    def weigh(self, before: Correct, alpha: float) -> tuple[bool, str]:
        """Return whether chance alone explains the newly right with less than `alpha`, and that in words."""
        right, wrong = self.count_gains(before)
        p = mcnemar_exact(right, wrong).greater
        return p < alpha, f"{right} newly right, {wrong} newly wrong, p = {p:.2g}"
