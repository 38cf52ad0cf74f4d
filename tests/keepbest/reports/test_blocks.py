"""Blocks become Markdown and HTML; whatever stands in a name, nothing of it is read as markup."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keepbest.contract.reports import Block, Picture
from keepbest.reports.blocks import head, tabulate, tell, to_html, to_markdown, warn

BLOCKS: list[Block] = [
    head("Best"),
    tell("Fine."),
    warn("Careful."),
    tabulate([("a", "1")], ("name", "value")),
    tabulate([("b", "2")]),
    Picture(svg="<svg></svg>", caption="a curve", file="run.svg"),
]
HOSTILE = "<script>alert(1)</script> | [x](javascript:1) `y`\n# z"


def test_markdown() -> None:
    assert to_markdown(BLOCKS).split("\n") == [
        "## Best", "", "Fine.", "", "> **Note:** Careful.", "", "| name | value |", "| --- | --- |", "| a | 1 |", "",
        "|  |  |", "| --- | --- |", "| b | 2 |", "", "![a curve](run.svg)", "",
    ]  # fmt: skip


def test_html() -> None:
    page = to_html("A & B", BLOCKS)
    assert "<title>A &amp; B</title>" in page
    assert "<tr><th>name</th><th>value</th></tr><tr><td>a</td><td>1</td></tr>" in page
    assert "<figure><svg></svg><figcaption>a curve</figcaption></figure>" in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize("make", [head, tell, warn])
def test_a_hostile_name_stays_a_name(make: Callable[[str], Block]) -> None:
    blocks = [make(HOSTILE), tabulate([(HOSTILE,)], ("name",))]
    assert "<script" not in to_html(HOSTILE, blocks)
    written = to_markdown(blocks)
    assert "\n# z" not in written
    assert "<script" not in written.replace("\\<", "")
    assert "](" not in written.replace("\\]", "")
