"""What a validation says of each example: so two validations can be compared pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from keepbest.errors import PolicyError
from keepbest.stopping.correct import Correct
from keepbest.stopping.losses import Losses


@dataclass(frozen=True, slots=True)
class Unpaired:
    """Why a validation says nothing of its examples, although the stopper needs them."""

    why: str


Pairs = Correct | Losses | Unpaired
#: The pairs of a validation that reports nothing of its examples.
SILENT = Unpaired("the validation says nothing of its examples")


def read_pairs(correct: Any, losses: Any) -> Correct | Losses | None:
    """Pack what a script reports of each example: whether it was right, or its loss. Raises PolicyError for both."""
    if correct is not None and losses is not None:
        raise PolicyError(
            "A validation takes either correct or losses, but got both.",
            field="losses",
            hint="Give correct=… if accuracy is monitored, losses=… if a loss is.",
        )
    if losses is not None:
        return Losses.of(losses)
    return None if correct is None else Correct.of(correct)


def to_json(pairs: Pairs | None) -> dict[str, Any]:
    """Return the pairs as a policy's memory holds them."""
    return {
        "correct": pairs.to_json() if isinstance(pairs, Correct) else None,
        "losses": pairs.to_json() if isinstance(pairs, Losses) else None,
    }


def from_json(memory: Mapping[str, Any]) -> Correct | Losses | None:
    """Return the pairs that `to_json` put into a memory. A memory that an older keepbest wrote has no key `losses`."""
    if memory.get("losses"):
        return Losses.from_json(memory["losses"])
    return Correct.from_json(memory["correct"]) if memory["correct"] else None


def to_record(pairs: Pairs) -> dict[str, Any]:
    """Return the pairs as a validation's record holds them: with a note that a memory lacks, or why there are none."""
    if isinstance(pairs, Unpaired):
        return {"unpaired": pairs.why}
    if isinstance(pairs, Losses):
        return {"losses": {**pairs.to_json(), "note": pairs.note}}
    return {"correct": pairs.to_json()}


def from_record(record: Mapping[str, Any]) -> Pairs:
    """Return the pairs that `to_record` put into a validation's record."""
    if record.get("unpaired") is not None:
        return Unpaired(record["unpaired"])
    if record.get("losses"):
        return replace(Losses.from_json(record["losses"]), note=record["losses"]["note"])
    return Correct.from_json(record["correct"])
