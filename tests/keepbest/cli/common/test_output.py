"""Output: whole cells into a pipe, clean text everywhere."""

from __future__ import annotations

import pytest

from keepbest.cli.common import output
from keepbest.cli.common.output import Table

HOSTILE = "\x1b[2J[red]evil[/red]"


def table() -> Table:
    made = Table(("name", ">value"))
    made.add("a" * 300, "1")
    made.add(HOSTILE, "22")
    return made


def test_a_pipe_gets_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(table())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "a" * 300 + "      1"
    assert lines[2].startswith("\\x1b[2J[red]evil[/red]")
    assert lines[2].endswith("   22")


def test_a_terminal_is_not_steered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    output.print_table(table())
    output.print_facts(HOSTILE, [("name", HOSTILE), ("empty", ""), ("none", "-")])
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert shown.count("[red]evil[/red]") == 3
    assert "empty" not in shown


@pytest.mark.parametrize(("across", "heads"), [(119, ["name", "why"]), (120, ["name", "n", "why"])])
def test_a_narrow_terminal_shows_what_matters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, across: int, heads: list[str]
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(across))
    made = Table(("name", ">n", "why"), spare=("n",))
    made.add("a", "1", "because")
    output.print_table(made)
    assert capsys.readouterr().out.splitlines()[1].split() == heads


def test_an_empty_table_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(Table(("a",), empty="Nothing. Try: x"))
    assert capsys.readouterr().out == "Nothing. Try: x\n"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"name": "\x9bé"})
    assert capsys.readouterr().out == '{\n  "name": "\\u009b\\u00e9"\n}\n'
