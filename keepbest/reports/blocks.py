"""The blocks of a report, and how they become Markdown or HTML. Text of users is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from keepbest.contract.reports import Block, Facts, Heading, Paragraph, Picture, Warning

#: The characters that mean something in Markdown: not an underscore within a word, nor a # within a line.
_MARKDOWN = re.compile(r"([\\`*{}\[\]<>|!~]|^#|(?<!\w)_|_(?!\w))")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
#: The policy forbids the page to load or run anything, whatever a name contains.
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }} th, td {{ padding: .25rem .75rem .25rem 0; text-align: left;
vertical-align: top; border-bottom: 1px solid #8884; }} th {{ font-weight: 600; }}
svg {{ width: 100%; height: auto; }} .note {{ border-left: 4px solid #d08700; padding-left: .75rem; }}
td {{ overflow-wrap: anywhere; }}
</style></head><body>
"""


def head(text: str, level: int = 2) -> Heading:
    return Heading(text=text, level=level)


def tell(text: str) -> Paragraph:
    return Paragraph(text=text)


def warn(text: str) -> Warning:
    return Warning(text=text)


def tabulate(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> Facts:
    return Facts(rows=[list(row) for row in rows], heads=list(heads))


def to_markdown(blocks: Iterable[Block]) -> str:
    """Return the report as Markdown; a picture becomes a link to its file."""
    return "\n".join(_markdown(block) for block in blocks)


def to_html(title: str, blocks: Iterable[Block]) -> str:
    """Return the report as one page that loads nothing."""
    return _HEAD.format(title=escape(title)) + "\n".join(_html(block) for block in blocks) + "\n</body></html>\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.text)}\n"
    if isinstance(block, Warning):
        return f"> **Note:** {_plain(block.text)}\n"
    if isinstance(block, Paragraph):
        return f"{_plain(block.text)}\n"
    if isinstance(block, Picture):
        return f"![{_plain(block.caption)}]({block.file})\n"
    width = max(len(row) for row in block.rows) if block.rows else len(block.heads)
    heads = block.heads or [""] * width
    lines = [heads, ["---"] * width]
    body = [[_plain(cell) for cell in row] for row in block.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*lines, *body]) + "\n"


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{escape(block.text)}</h{block.level}>"
    if isinstance(block, Warning):
        return f'<p class="note">{escape(block.text)}</p>'
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Picture):
        return f"<figure>{block.svg}<figcaption>{escape(block.caption)}</figcaption></figure>"
    heads = f"<tr>{''.join(f'<th>{escape(head)}</th>' for head in block.heads)}</tr>" if block.heads else ""
    rows = (f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in block.rows)
    return f"<table>{heads}{''.join(rows)}</table>"


def _plain(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _BREAKS.sub(" ", text))
