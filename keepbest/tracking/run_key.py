"""Which run a script means: `id`, `key` and `resume` have one meaning wherever they are said.

An id is what keepbest calls a run. A key is what a script calls it: `key="exp-17"` is the same run of its project on
every machine, because the id follows from the project and the key. A text that is no id is a key.
"""

from __future__ import annotations

import hashlib
import logging
import re
from typing import NamedTuple, cast, get_args

from keepbest.contract.base import ID_ALPHABET, ID_LENGTH, ID_PATTERN
from keepbest.contract.names import MAX_METRIC, to_word
from keepbest.errors import InvalidInput
from keepbest.settings import Resume

#: The label that holds a run's key.
KEY = "key"
_log = logging.getLogger("keepbest")


class MeantRun(NamedTuple):
    """The id of the run that a script means, None for a new one, and the key that it was named by."""

    id: str | None
    key: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The label that tells people the key."""
        return {} if self.key is None else {KEY: self.key}


def find_meant(project: str, id: object, key: object) -> MeantRun:
    """Return which run of a project an id or a key means; raises InvalidInput for both.

    >>> find_meant("digits", None, "exp-17") == find_meant("digits", "exp-17", None)
    True
    """
    if id is not None and key is not None:
        raise InvalidInput("A run is named by its id or by a key, not by both.", field="key")
    word = key if id is None else id
    if word is None or word == "":
        return MeantRun(None)
    if not isinstance(word, str | int):
        _log.warning("keepbest: %.100r names no run; a new one begins.", word)
        return MeantRun(None)
    text = to_word(str(word), MAX_METRIC)
    if key is None and re.match(ID_PATTERN, text):
        return MeantRun(text)
    return MeantRun(id_of(project, text), text)


def id_of(project: str, key: str) -> str:
    """Return the id of the run that a project calls by this key."""
    number = int.from_bytes(hashlib.sha256(f"{project}\0{key}".encode()).digest())
    letters = []
    for _ in range(ID_LENGTH):
        number, place = divmod(number, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[place])
    return "".join(letters)


def find_resume(word: object, usual: Resume, *, is_named: bool) -> Resume:
    """Return whether to go on with the named run. `True` and "auto" allow it, `False` never does.

    Raises InvalidInput for another word, and for "must" without a name.
    """
    if word is True or word == "auto":
        if not is_named:
            _log.warning('keepbest: resume=%r needs a name to go on under: keepbest.init(key="…").', word)
        return "allow"
    chosen = usual if word is None else "never" if word is False else word
    if chosen not in get_args(Resume):
        hint = 'Name the run by its key: keepbest.init(key="…", resume="must").'
        raise InvalidInput(f"resume is never, allow or must, but got {chosen!r:.100}.", field="resume", hint=hint)
    if chosen == "must" and not is_named:
        hint = 'keepbest.init(key="…")'
        raise InvalidInput('resume="must" needs the id or the key of a run.', field="id", hint=hint)
    return cast(Resume, chosen)
