"""Which examples a validation got right, one bit each: so two validations can be compared example by example."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepbest.errors import PolicyError
from keepbest.figures import figure
from keepbest.stopping.statistics import mcnemar_exact


@dataclass(frozen=True, slots=True)
class Correct:
    """`n` examples, in the same order at each validation. Bit i, counted from the highest, is set if i was right."""

    n: int
    bits: int

    @classmethod
    def of(cls, correct: Any) -> Correct:
        """Pack a list, array or tensor of true and false (or 1 and 0). Raises PolicyError for anything else."""
        import numpy as np  # imported late: few validations bring a vector

        flags = np.asarray(correct)
        if flags.ndim != 1 or not np.isin(flags, (0, 1)).all():
            raise PolicyError(
                "correct is a vector of true or false: for each example, whether it was right.",
                field="correct",
                hint="For example: correct=predicted == labels",
            )
        return cls(len(flags), int.from_bytes(np.packbits(flags.astype(bool)).tobytes(), "big") >> -len(flags) % 8)

    def to_json(self) -> dict[str, Any]:
        """Return the bits in base64: 840 characters for 5,000 examples."""
        return {"n": self.n, "bits": b64encode(self.bits.to_bytes((self.n + 7) // 8, "big")).decode()}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Correct:
        """Rebuild what `to_json` gave."""
        return cls(plain["n"], int.from_bytes(b64decode(plain["bits"]), "big"))

    def count_gains(self, before: Correct) -> tuple[int, int]:
        """Return how many examples became right since `before`, and how many became wrong."""
        return (self.bits & ~before.bits).bit_count(), (before.bits & ~self.bits).bit_count()

    def weigh(self, before: Correct, alpha: float) -> tuple[bool, str]:
        """Return whether chance alone gives so many newly right examples with p < `alpha`, and the same in words."""
        right, wrong = self.count_gains(before)
        p = mcnemar_exact(right, wrong).greater
        return p < alpha, f"{right} newly right, {wrong} newly wrong, p = {figure(p, 2)}"
