"""Random values that a model of the contract admits, drawn from its JSON schema with many at its limits.

Most fields get a usual value and a few an odd one: a request with many odd values is refused for the first of them,
and never comes to the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
#: Words that a database, a page or a path may trip over.
WORDS = ("", "a", "ä🙂", "\u202eevil", "%_'\";--", "\n\t\x7f", "$ref", "../..", "null", "ﬀ" * 40, "ab", "x" * 5000)
#: Words of the forms that shapes ask for.
USUAL = ("loss", "metrics.loss", "digits", "run 1", "model.py:build", "0" * 12, "a" * 64, "A" * 100)
INTS = (0, 1, -1, 7, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400)
FLOATS = (0.5, 0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"), 2.0**63, 10**300)
MOMENTS = (
    "2026-01-01T00:00:00Z",
    "1970-01-01T00:00:00+00:00",
    "0001-01-01T00:00:00+14:00",
    "1850-06-01T12:00:00.123456-05:00",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
    1e9,
    253402300799,
    -62135596800,
)
#: How many of ten fields get an odd value, and how many optional fields are set.
ODD, SAID = 1, 5

Known = Callable[[Schema, Random], Any]


class Drawer:
    """Draws values; `known` gives what refers to something that is there, or None."""

    def __init__(self, random: Random, known: Known) -> None:
        self._random = random
        self._known = known
        self._named: Schema = {}

    def draw(self, model: type[BaseModel]) -> Any:
        """Return a JSON value for `model`."""
        whole = schema_of(model)
        self._named = whole.get("$defs", {})
        return self._draw(whole, 0)

    def is_rare(self) -> bool:
        return self._random.randrange(10) < ODD

    def anything(self, depth: int = 0) -> Any:
        """Return any JSON value, now and then a very deep one."""
        kind = self._random.randrange(9)
        if kind == 0:
            return deep(self._random.choice([20, 48, 52, 100, 150, 190, 250]))
        if kind < 3 and depth < 4:
            return [self.anything(depth + 1) for _ in range(self._random.randrange(3))]
        if kind < 5 and depth < 4:
            return {self._random.choice(WORDS): self.anything(depth + 1) for _ in range(self._random.randrange(3))}
        return self._random.choice([None, True, *INTS, *FLOATS, *WORDS])

    def _draw(self, schema: Schema, depth: int) -> Any:
        if "$ref" in schema:
            return self._draw(self._named[schema["$ref"].rpartition("/")[2]], depth)
        given = self._known(schema, self._random)
        if given is not None:
            return given
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._draw(self._random.choice(schema[word]), depth)
        if "const" in schema:
            return schema["const"]
        return self._random.choice(schema["enum"]) if "enum" in schema else self._of_type(schema, depth)

    def _of_type(self, schema: Schema, depth: int) -> Any:
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer":
                return self._pick(*_integers(schema))
            case "number":
                return self._pick(*_numbers(schema))
            case "string":
                return self._pick(*_strings(schema))
            case "boolean":
                return self._random.random() < 0.5
            case "null":
                return None
        return self.anything()

    def _pick(self, usual: Sequence[Any], odd: Sequence[Any]) -> Any:
        return self._random.choice(odd if odd and (self.is_rare() or not usual) else usual)

    def _object(self, schema: Schema, depth: int) -> Any:
        fields = schema.get("properties")
        if fields is None:
            values, names = schema.get("additionalProperties", {}), schema.get("propertyNames", {})
            for pattern, inner in schema.get("patternProperties", {}).items():
                values, names = inner, {**names, "pattern": pattern}
            inside, keys = values if isinstance(values, dict) else {}, _strings(names)
            count = self._random.randrange(schema.get("minProperties", 0), 3)
            return {self._pick(*keys): self._draw(inside, depth + 1) for _ in range(count)}
        must = {*schema.get("required", ()), *(name for name, one in fields.items() if "const" in one)}
        said = [name for name in fields if name in must or (depth < 7 and self._random.randrange(10) < SAID)]
        return {name: self._draw(fields[name], depth + 1) for name in said}

    def _array(self, schema: Schema, depth: int) -> list[Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", 9)
        count = self._random.randrange(least, min(most, max(least, 3 - depth // 2)) + 1)
        return [self._draw(schema.get("items", {}), depth + 1) for _ in range(count)]


@cache
def schema_of(model: type[BaseModel]) -> Schema:
    """Return the JSON schema of a shape, in the names that the wire has."""
    return model.model_json_schema(by_alias=True)


def deep(depth: int) -> Any:
    """Return a value of so many levels."""
    value: Any = 1
    for place in range(depth):
        value = [value] if place % 2 else {"k": value}
    return value


def _integers(schema: Schema) -> tuple[Sequence[int], Sequence[int]]:
    low, high = schema.get("minimum", -(10**500)), schema.get("maximum", 10**500)
    first = max(low, 0)
    edges = sorted({number for number in (*INTS, low, high) if low <= number <= high and abs(number) < 10**450})
    return range(first, min(high, first + 4) + 1), edges


def _numbers(schema: Schema) -> tuple[Sequence[float], Sequence[float]]:
    low, high = schema.get("minimum", 0), schema.get("maximum", 3)
    return [low, min(low + 0.5, high), high], FLOATS


def _strings(schema: Schema) -> tuple[Sequence[Any], Sequence[Any]]:
    if schema.get("format") == "date-time":
        return MOMENTS[:1], MOMENTS
    least, most = schema.get("minLength", 0), min(schema.get("maxLength", 6000), 20_000)
    fits = re.compile(schema.get("pattern", "")).search
    odd = [word for word in (*WORDS, "é" * most) if least <= len(word) <= most and fits(word)]
    return [word for word in USUAL if least <= len(word) <= most and fits(word)], odd
