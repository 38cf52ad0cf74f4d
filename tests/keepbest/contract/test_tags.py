"""Changes of tags, word by word."""

from __future__ import annotations

import pytest

from keepbest.contract.tags import TagChanges, change_tags

#: before, taken away, put on, after
CHANGES = [
    (["old"], [], ["new"], ["old", "new"]),
    (["old"], [], ["old"], ["old"]),
    (["old", "b"], ["old"], [], ["b"]),
    (["team=red", "b"], [], ["team=blue"], ["b", "team=blue"]),
    (["team=red", "b"], [], ["team=red"], ["team=red", "b"]),
    (["team=red", "team"], ["team"], [], []),
    (["team=red", "team"], ["team=red"], [], ["team"]),
    (["team=red", "team"], ["team"], ["team=red"], ["team=red"]),
    (["teams=red"], ["team"], [], ["teams=red"]),
    ([], ["gone"], ["a", "a"], ["a"]),
    ([], [], ["team=red", "team=blue"], ["team=blue"]),
]


@pytest.mark.parametrize(("before", "remove", "add", "after"), CHANGES)
def test_tags_are_taken_away_then_put_on(
    before: list[str], remove: list[str], add: list[str], after: list[str]
) -> None:
    assert change_tags(before, TagChanges(add=add, remove=remove)) == after
