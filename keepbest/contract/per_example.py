"""Defines what a validation reports of each example, so that a policy can compare two validations by example."""

from __future__ import annotations

from base64 import b64decode
from typing import Annotated, Self

from pydantic import Field, model_validator

from keepbest.contract.base import Shape

#: The most losses of one validation. Bits for 32 times as many examples take the same bytes.
MAX_LOSSES = 50_000
MAX_CORRECT = 32 * MAX_LOSSES
MAX_EXAMPLES_NOTE = 500

_MAX_TEXT = 4 * -(-4 * MAX_LOSSES // 3)
Base64 = Annotated[str, Field(max_length=_MAX_TEXT)]
Note = Annotated[str, Field(max_length=MAX_EXAMPLES_NOTE)]


class CorrectExamples(Shape):
    """Which of `n` examples were right: a bit each, in base64. The last bit belongs to the last example."""

    n: int = Field(ge=0, le=MAX_CORRECT)
    bits: Base64

    @model_validator(mode="after")
    def _fits(self) -> Self:
        read = _decode(self.bits)
        if len(read) != (self.n + 7) // 8 or int.from_bytes(read, "big") >> self.n:
            raise ValueError(f"the bits do not fit {self.n} examples")
        return self


class ExampleLosses(Shape):
    """The loss of each example as little-endian float32, in base64. `note` says what the losses leave out."""

    float32: Base64
    note: Note = ""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        size = len(_decode(self.float32))
        if not size or size % 4 or size > 4 * MAX_LOSSES:
            raise ValueError(f"there are 1 to {MAX_LOSSES:,} losses of four bytes each")
        return self


class Examples(Shape):
    """One of three: which examples were right, the loss of each, or why a stopper that needs them gets neither."""

    correct: CorrectExamples | None = None
    losses: ExampleLosses | None = None
    unpaired: Note | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(item is not None for item in (self.correct, self.losses, self.unpaired)) != 1:
            raise ValueError("exactly one of correct, losses and unpaired is needed")
        return self


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise ValueError("the text is not base64") from None
