"""How a run came about: the git commit of its code, the packages, and the changes that were not committed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from keepbest.contract.base import Answer, FieldName, Shape, check_text

#: Characters of the uncommitted changes that are kept.
MAX_DIFF = 100_000
MAX_PACKAGES, MAX_LEFT_OUT = 5_000, 200
Short = Annotated[str, Field(max_length=500), AfterValidator(check_text)]


class GitState(Shape):
    """What git says of a folder of code; `remote` is an address without user and password."""

    commit: str = Field(pattern=r"^[0-9a-f]{7,64}$")
    branch: Short | None = None
    remote: Short | None = None
    is_dirty: bool = Field(default=False, description="the folder has changes that are not committed")


class Provenance(Answer):
    """What `keepbest reproduce` needs beside the run: too large for the run itself.

    `diff` is a patch on the commit in the run's environment; `left_out` names the changed files that it does not hold.
    """

    packages: dict[FieldName, Short] = Field(default_factory=dict, max_length=MAX_PACKAGES)
    diff: Annotated[str, Field(max_length=MAX_DIFF), AfterValidator(check_text)] = ""
    left_out: list[Short] = Field(default_factory=list, max_length=MAX_LEFT_OUT)
    is_masked: bool = Field(default=False, description="the patch has *** where a secret stood")
