"""Names of locals and messages of errors keep the rules of plain words; each rule is shown to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.architecture import Sources, read_sources
from tests.support.processes import ROOT
from tests.support.prose import MESSAGE_CHARACTERS, loose_figures, shapeless_messages, vague_locals

Rule = Callable[[Sources], Iterator[str]]
HOUSES = ("keepbest", "tracker", "worker", "migrations")

BREAKS: list[tuple[Rule, str, str]] = [
    (vague_locals, "def f(asked): ...", "an argument `asked`"),
    (vague_locals, "def f():\n    found = 1", "a local `found`"),
    (vague_locals, "names = [one for one in x]", "a local `one`"),
    (loose_figures, "print(f'{rate:.3g}')", "with :.3g"),
    (shapeless_messages, "raise NotFound('There is no run')", "no sentence"),
    (shapeless_messages, "raise NotFound(f'-- no run {run}.')", "no sentence"),
    (shapeless_messages, f"raise NotFound('{'A' * MESSAGE_CHARACTERS}.')", f"says {MESSAGE_CHARACTERS + 1} characters"),
]


@pytest.mark.parametrize("rule", [vague_locals, shapeless_messages, loose_figures])
def test_houses_keep_the_rule(rule: Rule) -> None:
    problems = list(rule(read_sources(ROOT, *HOUSES)))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(("rule", "source", "problem"), BREAKS)
def test_a_broken_rule_is_found(rule: Rule, source: str, problem: str) -> None:
    assert any(problem in line for line in rule({"keepbest.errors": source}))


def test_a_sentence_is_left_alone() -> None:
    source = "raise InvalidInput(f'mode is one of min, max, but got {mode!r}.')\nraise NotFound(message)"
    assert list(shapeless_messages({"tracker.app": source})) == []
