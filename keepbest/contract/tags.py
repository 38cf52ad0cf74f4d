"""Tags on runs: words and `key=value`, and the changes of them that people ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.names import Tag

#: The most tags of one run.
MAX_TAGS = 50
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]


class TagChanges(Shape):
    """Tags that are taken away, and then tags that are put on; the others stay.

    A word takes away the tags whose key it is, too. A tag `key=value` takes the place of what `key` was.
    """

    add: Tags = Field(default_factory=list)
    remove: Tags = Field(default_factory=list)


def change_tags(tags: Sequence[str], changes: TagChanges) -> list[str]:
    """Return the tags after the changes, in their order; new ones come last.

    Example: `change_tags(["old", "team=red"], TagChanges(remove=["old"], add=["vision", "team=blue"]))` is
    `["vision", "team=blue"]`.
    """
    changed = [tag for tag in tags if not any(_takes_away(word, tag) for word in changes.remove)]
    for word in changes.add:
        key = word.partition("=")[0]
        if word not in changed:
            changed = [tag for tag in changed if "=" not in word or not tag.startswith(f"{key}=")] + [word]
    return changed


def _takes_away(word: str, tag: str) -> bool:
    return tag == word or ("=" not in word and tag.startswith(f"{word}="))
