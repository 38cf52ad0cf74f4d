"""Policies written as text: `patience(checks=10, min_delta=0.001) | max_seconds(3600)`.

`a | b` is any_of(a, b), `a & b` is all_of(a, b) and binds tighter; parentheses group. Shorthands: `1000steps` is
patience(steps=1000), `10epochs` is patience(epochs=10), `10checks` and `10` are patience(checks=10). A first argument
without a name is the policy's first parameter. A text after `name=` needs no quotes, and ends at the next comma. A
policy that holds another encloses it: shadow(patience(10)). An error marks its place in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn, Self

from keepbest.errors import InvalidInput
from keepbest.hints import nearest
from keepbest.stopping.policies.policy import Policy
from keepbest.stopping.registry import MAX_DEPTH, ParamInfo, build, composes, declared_params, get_kind

MAX_LENGTH = 2000

_TOKENS = re.compile(
    r"\s*(?:(?P<shorthand>\d[\d_]*\s*(?:steps|step|checks|check)\b|(?:\d[\d_]*\.?\d*|\.\d+)\s*(?:epochs|epoch)\b)|(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>[(),=|&])|(?P<end>$)|(?P<other>.))"
)
#: Compositions and the sign between their parts, the loosest first.
_SIGNS = {"any_of": "|", "all_of": "&"}
_LITERALS: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True, slots=True)
class SyntaxToken:
    kind: str
    text: str
    at: int


def parse(text: str) -> dict[str, Any]:
    """Return the JSON form of a policy written as text, or raise InvalidInput with a caret below the wrong place."""
    reader = PolicyReader.of(text)
    spec = reader.read_policy()
    reader.check(spec)
    return spec


def render(spec: dict[str, Any]) -> str:
    """Write a JSON form as text, without the parameters that are null.

    `parse` reads the text back. A composition inside one of its own kind comes back flat, and stops at the same
    validations.
    """
    sign = _SIGNS.get(spec["name"])
    if sign is not None:
        texts = []
        for part in spec["policies"]:
            is_looser = (part["name"], spec["name"]) == ("any_of", "all_of") and len(part["policies"]) > 1
            texts.append(f"({render(part)})" if is_looser else render(part))
        return f" {sign} ".join(texts)
    params = ((name, value) for name, value in (spec.get("params") or {}).items() if value is not None)
    leads = bool(spec.get("policies"))  # a text stands before the policy inside
    inside = [
        _literal(value) if leads and isinstance(value, str) else f"{name}={_literal(value)}" for name, value in params
    ]
    return f"{spec['name']}({', '.join([*inside, *map(render, spec.get('policies') or [])])})"


@dataclass
class PolicyReader:
    """Reads a policy from text. A subclass reads something else that is a name with arguments."""

    text: str
    tokens: list[SyntaxToken]
    position: int = 0
    places: dict[str, int] = field(default_factory=dict)
    #: The request's field that holds the text.
    whole: ClassVar[str] = "stopper"

    @classmethod
    def of(cls, text: str) -> Self:
        """Return a reader of `text`, or raise InvalidInput if the text is too long."""
        if len(text) > MAX_LENGTH:
            raise InvalidInput(f"A {cls.whole} is at most {MAX_LENGTH} characters long.", field=cls.whole)
        flat = re.sub(r"\s", " ", text)
        return cls(flat, _split(flat))

    def read_policy(self) -> dict[str, Any]:
        spec = self._read_composition("stopper", "any_of", depth=1)
        if self._next.kind != "end":
            self._fail(self._next.at, f"'|', '&' or the end was expected, not {self._next.text!r}")
        return spec

    def _read_composition(self, place: str, name: str, depth: int) -> dict[str, Any]:
        """Read parts as long as this composition's sign joins them; a single part needs no composition."""
        sign = _SIGNS[name]
        if not self._is_joined_by(sign):
            return self._read_part(place, name, depth)
        self.places[place] = self._next.at
        parts = [self._read_part(f"{place}.policies.0", name, depth + 1)]
        while self._take(sign):
            parts.append(self._read_part(f"{place}.policies.{len(parts)}", name, depth + 1))
        return {"name": name, "params": {}, "policies": parts}

    def _read_part(self, place: str, name: str, depth: int) -> dict[str, Any]:
        if name == "any_of":
            return self._read_composition(place, "all_of", depth)
        if not self._take("("):
            return self._read_term(place, depth)
        spec = self._read_inside(place, depth)
        if not self._take(")"):
            self._fail(self._next.at, "'|', '&' or ')' was expected")
        return spec

    def _read_inside(self, place: str, depth: int) -> dict[str, Any]:
        """Read the policy between two parentheses."""
        if depth > MAX_DEPTH:
            self._fail(self._next.at, f"Policies are at most {MAX_DEPTH} deep")
        return self._read_composition(place, "any_of", depth + 1)

    def _is_joined_by(self, sign: str) -> bool:
        """Whether `sign` follows before this group ends; a | also ends a group of &."""
        depth = 0
        for token in self.tokens[self.position :]:
            depth += (token.text == "(") - (token.text == ")")
            if depth < 0 or (depth == 0 and token.text == "|" and sign == "&"):
                return False
            if depth == 0 and token.text == sign:
                return True
        return False

    def check(self, spec: dict[str, Any]) -> None:
        """Build the policy once, so that the error of a wrong value marks the value's place."""
        try:
            self._build(spec)
        except InvalidInput as error:
            self._fail(self._find_place(error.field or ""), error.message.rstrip("."), error.field, error.hint)

    @property
    def _next(self) -> SyntaxToken:
        return self.tokens[self.position]

    def _advance(self) -> SyntaxToken:
        token = self._next
        self.position += 1
        return token

    def _take(self, sign: str) -> bool:
        result = self._next.kind == "sign" and self._next.text == sign
        self.position += result
        return result

    def _read_term(self, place: str, depth: int) -> dict[str, Any]:
        token = self._advance()
        self.places[place] = token.at
        if token.kind in ("shorthand", "number"):
            return self._expand(token, place)
        if token.kind != "word":
            what = "nothing" if token.kind == "end" else repr(token.text)
            self._fail(token.at, f"a policy was expected, but here is {what}", hint="For example: patience(checks=10)")
        if composes(self._get_kind(token, place)):
            return self._read_wrapper(token, place, depth)
        return {"name": token.text, "params": self._read_arguments(token.text, place), "policies": []}

    def _read_wrapper(self, token: SyntaxToken, place: str, depth: int) -> dict[str, Any]:
        if not self._take("("):
            self._fail(self._next.at, f"{token.text} encloses a policy", hint=f"{token.text}(patience(10))")
        params = self._read_leading(token.text, place)
        inner = self._read_inside(f"{place}.policies.0", depth)
        if not self._take(")"):
            self._fail(self._next.at, "'|', '&' or ')' was expected")
        return {"name": token.text, "params": params, "policies": [inner]}

    def _read_leading(self, policy: str, place: str) -> dict[str, Any]:
        """Read the arguments that stand before the policy inside."""
        params: dict[str, Any] = {}
        while self._next.kind == "text" or (self._next.kind == "word" and self.tokens[self.position + 1].text == "="):
            self._read_argument(policy, params, f"{place}.params")
            if not self._take(","):
                self._fail(self._next.at, "',' and a policy were expected")
        return params

    def _get_kind(self, token: SyntaxToken, place: str) -> type[Policy]:
        try:
            kind = get_kind(token.text)
        except InvalidInput as error:
            self._fail(token.at, error.message.rstrip("."), f"{place}.name", error.hint)
        if token.text in _SIGNS:
            sign = _SIGNS[token.text]
            hint = f"For example: patience(10) {sign} max_seconds(3600)"
            self._fail(token.at, f"{token.text!r} is written with {sign!r}", hint=hint)
        return kind

    def _expand(self, token: SyntaxToken, place: str) -> dict[str, Any]:
        if "epoch" in token.text:
            self.places[f"{place}.params.epochs"] = token.at
            count = float(re.sub(r"[_a-z\s]", "", token.text))
            return {"name": "patience", "params": {"epochs": count}, "policies": []}
        digits = re.match(r"[\d_]+", token.text)
        if digits is None or (token.kind == "number" and digits.group() != token.text):
            self._fail(token.at, f"patience is a whole number, not {token.text!r}", hint="For example: 10checks")
        unit = "steps" if "step" in token.text else "checks"
        self.places[f"{place}.params.{unit}"] = token.at
        return {"name": "patience", "params": {unit: int(digits.group().replace("_", ""))}, "policies": []}

    def _read_arguments(self, policy: str, place: str) -> dict[str, Any]:
        params: dict[str, Any] = {}
        if not self._take("(") or self._take(")"):
            return params
        while True:
            self._read_argument(policy, params, f"{place}.params")
            if self._take(")"):
                return params
            if not self._take(","):
                self._fail(self._next.at, "',' or ')' was expected")

    def _read_argument(self, policy: str, params: dict[str, Any], place: str) -> None:
        token = self._next
        name = self._read_name(policy, place, first=not params)
        if name in params:
            self._fail(token.at, f"{name} is given twice")
        self.places[f"{place}.{name}"] = self._next.at
        params[name] = self._read_bare(name) if self._is_bare(policy, name) else self._read_value()

    def _is_bare(self, policy: str, name: str) -> bool:
        """Whether a text without quotes follows: `on=non_finite | spike(z=20)`, `learning_rate=0.1x`."""
        kinds = {param.name: param.kind for param in self._find_params(policy)}
        return kinds.get(name) == "str" and self._next.kind != "text" and self._next.text.lower() not in _LITERALS

    def _read_bare(self, name: str) -> str:
        """Read up to the comma or the parenthesis that ends the argument."""
        began, depth = self._next.at, 0
        while self._next.kind != "end":
            text = self._next.text
            if depth == 0 and text in (",", ")"):
                break
            depth += (text == "(") - (text == ")")
            self.position += 1
        if not (bare := self.text[began : self._next.at].strip()):
            self._fail(began, f"a value was expected after '{name}='")
        return bare

    def _build(self, spec: dict[str, Any]) -> None:
        build(spec, "max")

    def _find_params(self, policy: str) -> tuple[ParamInfo, ...]:
        return declared_params(get_kind(policy))

    def _list_params(self, policy: str) -> list[str]:
        return [param.name for param in self._find_params(policy)]

    def _read_name(self, policy: str, place: str, *, first: bool) -> str:
        declared = self._list_params(policy)
        token = self._next
        if token.kind == "word" and token.text.lower() not in _LITERALS:
            self.position += 1
            if not self._take("="):
                self._fail(self._next.at, f"'=' and a value were expected after {token.text!r}")
            if token.text not in declared:
                hint = nearest(token.text, declared)
                self._fail(token.at, f"{policy} has no parameter {token.text!r}", f"{place}.{token.text}", hint)
            return token.text
        if not first or not declared:
            self._fail(token.at, f"a parameter's name was expected; {policy} has: {', '.join(declared) or 'none'}")
        return declared[0]

    def _read_value(self) -> Any:
        token = self._advance()
        if token.kind == "number":
            digits = token.text.replace("_", "")
            return int(digits) if re.fullmatch(r"[-+]?\d+", digits) else float(digits)
        if token.kind == "text":
            return token.text[1:-1]
        if token.kind == "word" and token.text.lower() in _LITERALS:
            return _LITERALS[token.text.lower()]
        return self._fail(token.at, f"a number, true or false was expected, not {token.text!r}")

    def _find_place(self, path: str) -> int:
        while path and path not in self.places:
            path = path.rpartition(".")[0]
        return self.places.get(path, 0)

    def _fail(self, at: int, message: str, field: str | None = None, hint: str | None = None) -> NoReturn:
        marked = f"{message}:\n  {self.text}\n  {' ' * at}^"
        raise InvalidInput(marked[0].upper() + marked[1:], field=field or self.whole, hint=hint)


def _split(text: str) -> list[SyntaxToken]:
    tokens = []
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup or "end"
        tokens.append(SyntaxToken(kind, match.group(kind), match.start(kind)))
        if kind == "end":
            break
    return tokens


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if '"' not in value else f"'{value}'"
    return str(value).lower() if isinstance(value, bool) else repr(value)
