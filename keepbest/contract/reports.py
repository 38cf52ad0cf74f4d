"""Defines a report as blocks, which the page and the command each draw in their own way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from keepbest.contract.base import Answer

#: The most runs of one report.
MAX_REPORTED = 100


class Heading(Answer):
    kind: Literal["heading"] = "heading"
    text: str
    level: int = Field(default=2, ge=1, le=3)


class Paragraph(Answer):
    kind: Literal["paragraph"] = "paragraph"
    text: str


class Warning(Answer):
    """A sentence that a reader must not miss."""

    kind: Literal["warning"] = "warning"
    text: str


class Facts(Answer):
    """A table: rows of cells, with or without heads."""

    kind: Literal["facts"] = "facts"
    rows: list[list[str]]
    heads: list[str] = Field(default_factory=list)


class Picture(Answer):
    """An SVG without scripts and outside resources, with its caption and the name of its file."""

    kind: Literal["picture"] = "picture"
    svg: str
    caption: str
    file: str


Block = Annotated[Heading | Paragraph | Warning | Facts | Picture, Field(discriminator="kind")]


class Report(Answer):
    title: str
    blocks: list[Block]
    markdown: str = Field(description="the same as text, in which pictures are links to their files")
