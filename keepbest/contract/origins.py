"""Defines where a run of another tool was imported from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from keepbest.contract.base import Json, Shape, check_text

#: How a tool names one of its runs.
SourceText = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(check_text)]
ForeignKind = Literal["mlflow", "tensorboard", "wandb", "csv", "json", "checkpoints"]


class ImportOrigin(Shape):
    """Where a run was imported from: the tool, its own name for the run, and the store, folder or address, for people.

    The same kind and source again are the same run.
    """

    kind: ForeignKind
    source: SourceText
    place: Annotated[str, Field(max_length=2000), AfterValidator(check_text)] = ""


def be_missing(schema: dict[str, Json]) -> None:
    """Have the schema say that a field may be missing, instead of what it is then."""
    schema.pop("default", None)
