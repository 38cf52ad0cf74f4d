"""The pattern of a ModelCheckpoint, read backwards: which epoch and values the name of a file says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

from keepbest.errors import InvalidInput

#: The field of a pattern that says when the file was written.
EPOCH = "epoch"
_WHOLE, _NUMBER = r"\d{1,15}", r"[-+]?(?:\d{1,30}(?:\.\d{0,30})?(?:[eE][-+]?\d{1,3})?|nan|inf)"
_MAX = 500


class NamePattern:
    """Reads names that `pattern.format(epoch=…, val_loss=…)` made.

    >>> NamePattern("{epoch:02d}-{val_loss:.2f}.keras").read("07-0.25.keras")
    {'epoch': 7.0, 'val_loss': 0.25}
    """

    def __init__(self, pattern: str) -> None:
        self.fields: list[str] = []
        self._regex = re.compile(self._translate(pattern))
        if EPOCH not in self.fields:
            hint = "For example --pattern '{epoch:02d}-{val_loss:.2f}.keras', as ModelCheckpoint had it."
            raise InvalidInput(f"The pattern {pattern!a} has no {{epoch}}.", field="pattern", hint=hint)

    @property
    def metrics(self) -> list[str]:
        """The values that a name says beside the epoch."""
        return [name for name in self.fields if name != EPOCH]

    def read(self, name: str) -> Mapping[str, float] | None:
        """Return the fields of a name; None for one of another pattern."""
        match = self._regex.fullmatch(name)
        return None if match is None else {field: float(match[f"f{place}"]) for place, field in enumerate(self.fields)}

    def _translate(self, pattern: str) -> str:
        try:
            parts = list(Formatter().parse(pattern))
        except ValueError as error:
            raise InvalidInput(f"The pattern cannot be read: {error}.", field="pattern") from None
        if len(pattern) > _MAX:
            raise InvalidInput(f"A pattern has at most {_MAX} characters.", field="pattern")
        translated = ""
        for literal, field, _, _ in parts:
            translated += re.escape(literal)
            if field is None:
                continue
            if field in self.fields or not field:
                raise InvalidInput(f"The pattern names {field or 'nothing'!a} twice or not at all.", field="pattern")
            translated += f"(?P<f{len(self.fields)}>{_WHOLE if field == EPOCH else _NUMBER})"
            self.fields.append(field)
        return translated
