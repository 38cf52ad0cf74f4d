"""Every command that keepbest tells people to type exists, with its options: read from the source, parsed as typed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from keepbest.checkpoint.files.identity import Identity
from keepbest.cli.main import VERBS, load
from tests.support.processes import ROOT

NAMES = {verb.name for verb in VERBS}
QUOTED = re.compile(r"`(keepbest [a-z][^`]*)`")
#: A text that begins with the command, or comes to it after a colon: `next: keepbest watch RUN`.
PLAIN = re.compile(r"(?:^|: )(keepbest (?:" + "|".join(sorted(NAMES)) + r")\b[^`;]*)")
#: Where the command is over and its sentence goes on.
REST = re.compile(r"[…,(]| (?:for|lists|starts|says|gives|has|makes|sends|brings|shows)\b|\.(?:$| )|: ")
#: What words hold a place of: text and numbers alike.
VALUE = "1"


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield every text of a module but its docstrings, with a value in each place of a formatted one."""
    inner = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in ast.walk(node) if part is not node}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in node.values)
        elif isinstance(node, ast.Expr):
            inner.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def suggested() -> Iterator[tuple[Path, str]]:
    for house in ("keepbest", "tracker", "worker"):
        for path in sorted((ROOT / house).rglob("*.py")):
            for text in texts(ast.parse(path.read_text())):
                for found in (*QUOTED.findall(text), *PLAIN.findall(text)):
                    yield path.relative_to(ROOT), found


def typed(command: str) -> list[str]:
    """Return a command's words, without what follows in the sentence; what is quoted is one of them."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", VALUE, command)
    return re.split(r"[…,(]| (?:for|lists|starts|says|gives|has|makes|sends|brings|shows)\b|\.(?:$| )|: ", bare)[
        0
    ].split()[1:]


def parse(command: str) -> None:
    """Raise TyperException for a verb or an option that is not there."""
    verb, *rest = typed(command)
    found = load(verb) if verb in NAMES else None
    if found is None:
        raise typer.BadParameter(f"there is no {verb}")
    if rest and rest[0] in getattr(found, "commands", {}):
        found, verb, rest = found.commands[rest[0]], rest[0], rest[1:]
    context = found.context_class(found, info_name=verb, **found.context_settings)
    found.make_parser(context).parse_args(list(rest))


COMMANDS = sorted({(path.as_posix(), command) for path, command in suggested()})


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_it_can_be_typed(path: str, command: str) -> None:
    try:
        parse(command)
    except typer.TyperException as error:
        raise AssertionError(f"{path}: {command}: {error.format_message()}") from None


def test_what_is_not_there_is_found() -> None:
    assert len(COMMANDS) > 60
    for wrong in ("keepbest shwo 1", "keepbest resume 1 --two best", "keepbest checkpoint show 1 --al"):
        with pytest.raises(typer.TyperException):
            parse(wrong)


def test_what_people_named_is_quoted() -> None:
    """A folder with a blank was two words, a stopper's quotes ended the quotes around it."""
    hint = Identity(Path("/mnt/my store"))._refuse(None).hint
    assert hint is not None
    assert hint.endswith("keepbest fsck --accept --store '/mnt/my store'")
