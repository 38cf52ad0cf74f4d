"""Selectors written as text, `greedy_soup(k=5)`, with the reader for policies: an error marks its place in the text."""

from __future__ import annotations

from typing import Any

from keepbest.errors import InvalidInput
from keepbest.selection.selectors import SELECTORS, build, get_kind
from keepbest.stopping import syntax
from keepbest.stopping.registry import ParamInfo, declared_params


def parse(text: str) -> dict[str, Any]:
    """Return the JSON form of a selector written as text, or raise InvalidInput with a caret below the wrong place."""
    reader = _Reader.of(text)
    spec = reader.read_selector()
    reader.check(spec)
    return spec


class _Reader(syntax.PolicyReader):
    whole = "selector"

    def read_selector(self) -> dict[str, Any]:
        token = self._advance()
        self.places["selector"] = token.at
        if token.kind != "word":
            self._fail(token.at, "a selector was expected", hint=f"One of: {', '.join(SELECTORS)}")
        try:
            get_kind(token.text)
        except InvalidInput as error:
            self._fail(token.at, error.message.rstrip("."), error.field, error.hint)
        params = self._read_arguments(token.text, "selector")
        if self._next.kind != "end":
            self._fail(self._next.at, f"the end was expected, not {self._next.text!r}")
        return {"name": token.text, "params": params}

    def _build(self, spec: dict[str, Any]) -> None:
        build(spec)

    def _find_params(self, policy: str) -> tuple[ParamInfo, ...]:
        return declared_params(get_kind(policy))
