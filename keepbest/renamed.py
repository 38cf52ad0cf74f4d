"""Lists names of earlier versions. They no longer work; an error tells the present name."""

from __future__ import annotations

from typing import Any

#: Methods of `Run`, `Loop` and `Session`; options of the command; parts of addresses and fields of the API.
METHODS = {"look": "report_validation"}
OPTIONS = {"--looks": "--validations"}
PARTS = {"looks": "validations", "evaluations": "test-results"}
FIELDS = {"looks": "validations"}


def refuse_method(owner: Any, name: str) -> AttributeError:
    """Return the error for an attribute that `owner` lacks, with its present name where it was renamed."""
    kind = type(owner).__name__
    message = f"{kind!r} object has no attribute {name!r}"
    if (present := METHODS.get(name)) is not None:
        message = f"`{name}` is named `{present}` now: call {kind.lower()}.{present}(step, value, …)."
    return AttributeError(message, name=name, obj=owner)
