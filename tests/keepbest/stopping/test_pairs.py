"""What a validation says of its examples, as its record holds it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from keepbest.contract.per_example import MAX_CORRECT, MAX_LOSSES, Examples
from keepbest.stopping import Correct, Losses, Pairs, Unpaired
from keepbest.stopping.losses import MAX_EXAMPLES
from keepbest.stopping.pairs import from_record
from keepbest.tracking.recorder import describe_examples

NUMBERS = st.lists(st.floats(width=32), min_size=1, max_size=20)
PAIRS = (
    st.builds(Correct.of, st.lists(st.booleans(), max_size=40))
    | st.builds(Losses.of, NUMBERS, st.sampled_from(["", "penalties left out"]))
    | st.builds(Unpaired, st.text(max_size=20))
)


@given(PAIRS)
@example(Unpaired("\0"))
def test_the_record_gives_back_what_the_stopper_was_given(pairs: Pairs) -> None:
    """To the last word: the note is in the message of the decision."""
    described = describe_examples(pairs)
    assert described is not None
    if isinstance(pairs, Unpaired):
        pairs = Unpaired(pairs.why.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}"))
    sent = Examples.model_validate(json.loads(described.model_dump_json(exclude_defaults=True)))
    assert from_record(sent.model_dump()) == pairs


def test_a_record_holds_losses_of_a_state_and_32_times_the_bits() -> None:
    assert MAX_LOSSES == MAX_EXAMPLES
    assert describe_examples(Losses(bytes(4 * MAX_LOSSES))) is not None
    assert describe_examples(Correct(MAX_CORRECT, 1)) is not None
    assert describe_examples(Correct(MAX_CORRECT + 1, 1)) is None


def test_a_long_reason_is_cut_short() -> None:
    described = describe_examples(Unpaired("w" * 1000))
    assert described is not None
    assert described.unpaired == "w" * 500


WRONG: list[dict[str, Any]] = [
    {},
    {"correct": None},
    {"unpaired": "why", "correct": {"n": 8, "bits": "AA=="}},
    {"unpaired": "w" * 501},
    {"correct": {"n": 9, "bits": "AA=="}},  # nine bits are in two bytes
    {"correct": {"n": 8, "bits": "AAA="}},
    {"correct": {"n": 7, "bits": "/w=="}},  # the eighth bit is nobody's
    {"correct": {"n": 8, "bits": "A"}},
    {"correct": {"n": 8, "bits": "AA==\n"}},
    {"correct": {"n": -1, "bits": ""}},
    {"correct": {"n": MAX_CORRECT + 1, "bits": "A" * 266_668}},
    {"losses": {"float32": ""}},
    {"losses": {"float32": "AAAA"}},  # three bytes
    {"losses": {"float32": "A" * 266_672}},
    {"losses": {"float32": "AAAAAA==", "note": "w" * 501}},
    {"losses": {"float64": "AAAAAA=="}},
]


@pytest.mark.parametrize("said", WRONG, ids=range(len(WRONG)))
def test_what_is_no_record_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Examples.model_validate(said)
