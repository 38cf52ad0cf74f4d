"""The glossary has every word of the contract, the commands and the pages, each once."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable

import pytest

from keepbest.cli.main import VERBS
from tests.support.processes import ROOT

#: Words of the contract, the commands and the pages that mean what they mean everywhere.
PLAIN_WORDS = """
    action api array body boundary cancel cell change changed choice classified code collect collected column
    compare compared comparison completion config confusion correct count data declared deleted demo diff difference
    doctor dropped edge end entry error external fact field fit git graph halving heading health histogram image
    info int kind left line list login loss ls made mark me median move name neuron node object openapi opened out
    outcome pace packed page pair paragraph patch picture piece place progress range recorded rename renew replayed
    reported request rm row sample series server shared show signin signout sql storage stream summary target undelete
    undeleted uniform up update value version warning watch weight
"""
PLAIN = frozenset(PLAIN_WORDS.split())
#: Words of the command that stand for a term.
VERBS_FOR = {
    "mv": "project",
    "gc": "garbage collection",
    "fsck": "store check",
    "sync": "offline",
    "rollback": "roll back",
    "unshare": "share",
}


def read_terms() -> list[str]:
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    return [cell for cell in cells if cell != "term"]


def words_of_the_contract() -> set[str]:
    document = json.loads((ROOT / "webui" / "openapi.json").read_text(encoding="utf-8"))
    shapes = {word for name in document["components"]["schemas"] for word in re.findall(r"[A-Z][a-z]*", name)}
    parts = {part for path in document["paths"] for part in re.findall(r"/([a-z][a-z-]+)", path)}
    return {singular(word) for part in (*shapes, *parts) for word in part.lower().split("-")}


def words_of_the_commands() -> set[str]:
    return {singular(VERBS_FOR.get(verb.name, verb.name)) for verb in VERBS}


def words_of_the_pages() -> set[str]:
    page = (ROOT / "webui" / "src" / "pages" / "Run.svelte").read_text(encoding="utf-8")
    tabs = re.findall(r"\{ name: '[a-z]+', label: '([A-Za-z ]+)'", page)
    assert len(tabs) >= 8, "the tabs of a run are not found any more"
    return {singular(tab.lower()) for tab in tabs}


def singular(word: str) -> str:
    if word.endswith(("ss", "us")) or word in ("ls", "series"):
        return word
    if word in ("alias", "aliases"):
        return "alias"
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "sses")):
        return word[:-2]
    return word.removesuffix("s")


def is_known(word: str, terms: set[str]) -> bool:
    return word in terms or any(word in term.split() or word in term.replace("-", " ").split() for term in terms)


def test_every_term_is_there_once() -> None:
    assert [term for term, count in Counter(read_terms()).items() if count > 1] == []


@pytest.mark.parametrize("words", [words_of_the_contract, words_of_the_commands, words_of_the_pages])
def test_no_word_lacks_a_term(words: Callable[[], set[str]]) -> None:
    terms = set(read_terms())
    lacking = sorted(word for word in words() if word not in PLAIN and not is_known(word, terms))
    assert lacking == [], "write them into docs/glossary.md, or use a term that is there"


def test_no_plain_word_is_there_for_nothing() -> None:
    used = words_of_the_contract() | words_of_the_commands() | words_of_the_pages()
    assert PLAIN - used == set()


def test_a_word_without_a_term_is_found() -> None:
    assert not is_known("tenancy", set(read_terms()))
    assert is_known("link", set(read_terms()))
