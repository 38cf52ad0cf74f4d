"""Masks secrets in a command line and in a patch: by the names of options and variables, and by known shapes of tokens.

A secret under a harmless name and without a known shape is not found, so a run's record is no place for secrets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"
_WORDS = (
    "pass(?:word|wd|phrase)?", "pwd", "secrets?", "tokens?", "credentials?", "auth(?:orization)?", "api[-_]?keys?",
    "(?:access|private|secret|account|encryption|signing|ssh)[-_]?keys?", "dsn", "connection[-_]?string",
)  # fmt: skip
#: A name with such a word in it: `db_password`, `--api-key`, `HF_TOKEN`.
_NAME = rf"(?:[\w.-]*[-_.])?(?:{'|'.join(_WORDS)})(?:[-_.](?:value|file|id))?"
_IS_NAME = re.compile(rf"-*{_NAME}", re.IGNORECASE)
#: `--token=abc`, and Hydra's `+a.token=abc`.
_ASSIGNED = re.compile(rf"(?P<name>[-+~]*{_NAME})=(?P<value>.+)", re.IGNORECASE | re.DOTALL)
#: Never a line's end: a patch must stay a patch.
_GAP = r"[^\S\n]*"
#: `password = "…"` and `"token": '…'` in a file; without quotes, only what has a digit, for `token=token` is code.
_IN_FILE = re.compile(
    rf"""(?P<name>(?<![\w.-]){_NAME}["']?{_GAP}(?::{_GAP}\w+{_GAP})?[=:]{_GAP}(?:(?:basic|bearer|token)[ ]+)?)"""
    r"""(?P<value>"[^"\n]+"|'[^'\n]+'|(?=[^\s\d]*\d)[^\s"'(),;{}\[\]]{8,}+(?!\s*[(\[]))""",
    re.IGNORECASE,
)
#: A whole line of a patch that is `PASSWORD=…` of an `.env` file or `password: …` of YAML.
_LINE = re.compile(
    rf"^(?P<name>[-+ ]?[ ]*(?:export[ ]+)?{_NAME}(?:=|:[ ]+(?!(?-i:[A-Z]))))(?P<value>[^\s\"'()\[\]]{{6,}})$",
    re.IGNORECASE | re.MULTILINE,
)
_USER = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/?#\"']+@", re.IGNORECASE)
_SHAPES = re.compile(
    r"\b(?:gh[oprsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_\w{20,}|sk-[\w-]{16,}|kb_[\w-]{20,}|npm_\w{20,}"
    r"|xox[abpros]-[\w-]{10,}|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)"
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def mask_url(url: str) -> str:
    """Return an address without user, password and query.

    >>> mask_url("https://ada:geheim@example.org/code.git")
    'https://example.org/code.git'
    """
    return re.split("[?#]", _USER.sub(r"\g<scheme>", url))[0]


def mask_command(words: Sequence[str]) -> list[str]:
    """Return the words of a command with secrets masked.

    >>> mask_command(["train.py", "--api-key", "abc", "--lr=0.1", "--password=x"])
    ['train.py', '--api-key', '***', '--lr=0.1', '--password=***']
    """
    masked, is_secret = [], False
    for word in words:
        is_value = is_secret and not word.startswith("--")
        masked.append(MASK if is_value else _mask_word(word))
        is_secret = not is_value and word.startswith("-") and _IS_NAME.fullmatch(word) is not None
    return masked


def mask_text(text: str) -> str:
    """Return the text of files with secrets masked; every line of a patch keeps its first character.

    >>> mask_text('PASSWORD = "geheim"')
    'PASSWORD = "***"'
    """
    text = _PRIVATE_KEY.sub(lambda block: re.sub(r"(?m)^([-+ ]?).+$", rf"\1{MASK}", block[0]), text)
    text = _LINE.sub(_mask_value, _IN_FILE.sub(_mask_value, text))
    return _SHAPES.sub(MASK, _USER.sub(rf"\g<scheme>{MASK}@", text))


def _mask_word(word: str) -> str:
    assigned = _ASSIGNED.fullmatch(word)
    if assigned is not None:
        return f"{assigned['name']}={MASK}"
    return mask_text(word)


def _mask_value(secret: re.Match[str]) -> str:
    value = secret["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{secret['name']}{quote}{MASK}{quote}"
