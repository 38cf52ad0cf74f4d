"""Names that people give to runs, projects, metrics, parameters, tags and panels, in any script, with emoji and signs.

keepbest keeps a name in Unicode's composed form (NFC), so that names that look the same are the same. It refuses
invisible characters that change what people see: control characters, line separators and overrides of direction.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_NAME = 100
MAX_METRIC = 200
#: The beginning of the metrics that keepbest itself measures of the machine.
SYSTEM = "system/"

#: Control characters, line and paragraph separators, embeddings, overrides and isolates of direction, half characters.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
#: What a name does not begin with: an option, a path, a hidden file.
_BAD_BEGINNING = re.compile(r"[-./\\]")


def compose(text: str) -> str:
    """Return a text in its composed form, in which names are kept."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def check_word(text: str, most: int = MAX_METRIC) -> str:
    """Return a text in its composed form; raises ValueError where it is too long, or holds what cannot be seen."""
    if not text.isascii() or not text.isprintable():
        match = UNSEEN.search(text)
        if match is not None:
            raise ValueError(f"a name holds no control character and no override of direction, but this {match[0]!a}")
        text = compose(text)
    if len(text) > most:
        raise ValueError(f"a name has at most {most} characters")
    return text


def check_tag(text: str) -> str:
    """Return a tag as `check_word` does."""
    return check_word(text, MAX_NAME)


def check_name(text: str) -> str:
    """Return a name in its composed form; raises ValueError for one that nobody could type or find again."""
    name = check_word(text, MAX_NAME)
    if not name or name != name.strip() or _BAD_BEGINNING.match(name):
        raise ValueError("a name begins with no space, dash, dot or slash, and ends with no space")
    return name


def to_word(text: str, most: int = MAX_METRIC) -> str:
    """Return the nearest text that `check_word` takes, of at most so many characters; it may be empty."""
    return compose(UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text))[:most]


def to_name(text: str) -> str:
    """Return the nearest name; it may be empty."""
    return to_word(text.strip().lstrip("-./\\").strip(), MAX_NAME).strip()


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(check_name)]
MetricKey = Annotated[str, Field(min_length=1, max_length=MAX_METRIC), AfterValidator(check_word)]
Tag = Annotated[str, Field(max_length=MAX_NAME), AfterValidator(check_tag)]
