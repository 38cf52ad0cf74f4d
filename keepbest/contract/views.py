"""Saved views: a name for a filter with columns and panels, private or the project's."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from keepbest.contract.base import Answer, FieldName, Id, Json, Moment, Page, Shape, Value
from keepbest.contract.names import Name

#: Bytes of a view's document as JSON.
MAX_DOCUMENT_BYTES = 32_000


def check_size(document: dict[str, Any]) -> dict[str, Any]:
    """Return a view's document; raises ValueError for one that is too large."""
    if (size := len(json.dumps(document).encode())) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"a view takes at most {MAX_DOCUMENT_BYTES} bytes, but this has {size}")
    return document


ViewDocument = Annotated[dict[FieldName, Value], Field(max_length=100), AfterValidator(check_size)]


class ViewRequest(Shape):
    """A view to save; the tracker keeps the `document` as it is, and the page reads it."""

    name: Name
    document: ViewDocument
    is_private: bool = True


class ViewPatch(Shape):
    """What changes of a view; a field left out or null stays as it is."""

    name: Name | None = None
    document: ViewDocument | None = None
    is_private: bool | None = None


class View(Answer):
    """A saved view; a private one is shown to nobody but the person who saved it."""

    id: Id
    project: str
    name: str
    document: dict[str, Json]
    is_private: bool
    created_by: str
    created_at: Moment
    updated_at: Moment


class ViewList(Page):
    """A page of views, in the order of their names."""

    views: list[View]
