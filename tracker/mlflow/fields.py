"""Fields of a request, checked one by one; what is wrong is said in the sentences that MLflow says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import orjson
from flask import request

from keepbest.contract.base import LAST_YEAR, MAX_WHOLE, check_text
from keepbest.contract.names import MAX_METRIC, check_word
from keepbest.errors import InvalidInput, TooLarge

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_NAMED = ("nan", "infinity", "-infinity", "inf", "-inf")
#: The last moment that the contract takes, in milliseconds.
MAX_MILLISECONDS = int(datetime(LAST_YEAR, 1, 1, tzinfo=UTC).timestamp() * 1000) - 1
#: Half of what the contract takes: a validation at a step that does not go on has the one behind the last.
MAX_STEP = MAX_WHOLE // 2
MAX_TAG, MAX_PARAM = 8000, 6000


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of a request; `path` is where it stands in the body, as errors name it."""

    given: Mapping[str, Any]
    path: str = ""

    def text(self, name: str, *, most: int = 10_000) -> str:
        """Return a text that must be there and not be empty."""
        return self.optional(name, most=most) or self._miss(name)

    def optional(self, name: str, *, most: int = 10_000) -> str | None:
        """Return a text, or None where there is none."""
        value = self.given.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(name, value)
        if len(value) > most:
            raise InvalidInput(
                f"Parameter '{self._name(name)}' exceeds the maximum length of {most} characters, got {len(value)}.",
                field=name,
            )
        return self._checked(name, value)

    def key(self, name: str = "key") -> str:
        """Return the name of a metric or a param."""
        value = self.text(name, most=MAX_METRIC)
        try:
            return check_word(value)
        except ValueError as error:
            self.refuse(name, value, str(error))

    def whole(self, name: str, *, least: int = 0, most: int = MAX_WHOLE) -> int | None:
        """Return a whole number, which JSON may hold as a text; None where there is none."""
        value = self.given.get(name)
        if value is None:
            return None
        number: int | None = value if type(value) is int else None
        is_written = isinstance(value, str) and re.fullmatch(r"[-+]?\d{1,19}", value)
        if is_written or (isinstance(value, float) and value.is_integer()):
            number = int(value)
        if number is None or not least <= number <= most:
            self.refuse(name, value, None if number is None else f"It must be from {least} to {most}.")
        return number

    def number(self, name: str) -> float:
        """Return a number that must be there; NaN and the infinities have names."""
        value = self.given.get(name)
        if isinstance(value, float) or type(value) is int:
            return float(value)
        if value is None or value == "":
            self._miss(name)
        is_number = isinstance(value, str) and len(value) < 100 and _NUMBER.fullmatch(value)
        if is_number or (isinstance(value, str) and value.lower() in _NAMED):
            return float(value)
        self.refuse(name, value)

    def items(self, name: str, *, most: int) -> list[Fields]:
        """Return the objects of a list."""
        given = self._list(name, most)
        for place, item in enumerate(given):
            if not isinstance(item, dict):
                self.refuse(f"{name}[{place}]", item)
        return [Fields(item, f"{self._name(name)}[{place}].") for place, item in enumerate(given)]

    def texts(self, name: str, *, most: int) -> list[str]:
        """Return the texts of a list."""
        given = self._list(name, most)
        if not all(isinstance(item, str) for item in given):
            self.refuse(name, given)
        return [self._checked(name, item) for item in given]

    def refuse(self, name: str, value: Any, why: str | None = None) -> NoReturn:
        """Raise InvalidInput for a value, as MLflow's server does."""
        try:
            shown = json.dumps(value, sort_keys=True, separators=(",", ":"))[:500]
        except RecursionError:
            shown = "…"
        reason = why or f" Hint: Value was of type '{type(value).__name__}'."
        message = f"Invalid value {shown} for parameter '{self._name(name)}' supplied: {reason}"
        raise InvalidInput(message, field=name, hint="See the API docs for more information about request parameters.")

    def _list(self, name: str, most: int) -> Sequence[Any]:
        value = self.given.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(name, value)
        if len(value) > most:
            raise InvalidInput(f"A request has at most {most:,} {name}, but this {len(value):,}.", field=name)
        return value

    def _miss(self, name: str) -> NoReturn:
        message = f"Missing value for required parameter '{self._name(name)}'."
        raise InvalidInput(message, field=name, hint="See the API docs for more information about request parameters.")

    def _checked(self, name: str, value: str) -> str:
        try:
            return check_text(value)
        except ValueError as error:
            self.refuse(name, value, str(error))

    def _name(self, name: str) -> str:
        return f"{self.path}{name}"


def read_body(limit: int) -> Fields:
    """Return the fields of the request's JSON body, which has so many bytes at most."""
    request.max_content_length = limit
    data = request.get_data(cache=False)
    if len(data) > limit:
        raise TooLarge(f"A request of this kind has at most {limit:,} bytes, but this {len(data):,}.")
    try:
        document = orjson.loads(data or b"{}")
    except ValueError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InvalidInput("The body must be a JSON object.")
    return Fields(document)


def read_query(*lists: str) -> Fields:
    """Return the fields of the request's address; those named may come several times."""
    given: dict[str, Any] = {name: values[-1] for name, values in request.args.lists()}
    return Fields(given | {name: request.args.getlist(name) for name in lists if name in given})


def read_run_id(fields: Fields) -> str:
    """Return the id of a run, which older clients call `run_uuid`."""
    is_old = not fields.given.get("run_id") and fields.given.get("run_uuid")
    return fields.text("run_uuid" if is_old else "run_id", most=256)
