"""Defines the one error tree of library, tracker, worker and command.

KeepbestError
├── InvalidInput              422  a field of a request, a file or an option is wrong
│   └── TooLarge              413
├── NotAuthenticated          401
├── NotAllowed                403
├── NotFound                  404
│   ├── NetworkUnknown        404  the network of a checkpoint cannot be made again here
│   └── RunDeleted            404  somebody deleted the run; for a while it can be brought back
├── Conflict                  409
│   ├── LeaseLost             409  the token is not (or no longer) the run's
│   ├── TransitionRefused     409  a run cannot go from this state to that one
│   ├── BatchGap              409  a numbered batch arrived before the one ahead of it
│   ├── Stale                 412  somebody changed it since it was read
│   └── SchemaMismatch        409  the database is older or newer than the code
├── Busy                      503  try again after `retry_after` seconds
├── Unreachable               503  the tracker does not answer
├── CheckpointError           500
│   ├── CheckpointDamaged     a digest differs, a part is missing or cut short
│   ├── CheckpointMismatch    the model's variables are not the checkpoint's
│   │   └── OptimizersDiffer  only optimizers do not fit: the network alone would
│   ├── CheckpointIncomplete  a part of the state could not be captured
│   └── StoreUnavailable      the store cannot be written: disk full, read-only, gone
│       └── NotTheStore       the folder is not the store that it was: unmounted, moved, exchanged
└── TrainingError             500
    ├── MetricMissing         the monitored metric never arrived
    ├── CodeFailed            the user's own code raised
    └── PolicyError           validations that no policy can judge: a step twice with two values

Each class has a `code` that crosses the wire and a `status` for HTTP; `hint` names the next step.
The class docstring is the default message. `from_body` rebuilds in the client what the tracker raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class KeepbestError(Exception):
    """Something went wrong inside keepbest."""

    code = "internal"
    status = 500

    def __init__(self, message: str | None = None, *, field: str | None = None, hint: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").strip()
        self.field = field
        self.hint = hint
        super().__init__(self.message)
        if hint:
            self.add_note(hint)  # a script's traceback then shows the hint

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.field, self.hint)

    def to_body(self) -> dict[str, Any]:
        """Return the one JSON error body of the API."""
        return {"error": {"code": self.code, "message": self.message, "field": self.field, "hint": self.hint}}


class InvalidInput(KeepbestError):
    """The request is not valid."""

    code = "invalid_input"
    status = 422


class TooLarge(InvalidInput):
    """The request is larger than the tracker accepts."""

    code = "too_large"
    status = 413


class NotAuthenticated(KeepbestError):
    """No valid token came with the request."""

    code = "not_authenticated"
    status = 401


class NotAllowed(KeepbestError):
    """This token's role may not do that."""

    code = "not_allowed"
    status = 403


class NotFound(KeepbestError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class NetworkUnknown(NotFound):
    """The network of this checkpoint cannot be made again here."""

    code = "network_unknown"


class RunDeleted(NotFound):
    """Somebody deleted this run."""

    code = "run_deleted"


class Conflict(KeepbestError):
    """The request does not fit the present state."""

    code = "conflict"
    status = 409


class LeaseLost(Conflict):
    """The lease on this run has ended or belongs to another worker."""

    code = "lease_lost"


class TransitionRefused(Conflict):
    """A run cannot change its state that way."""

    code = "transition_refused"


class BatchGap(Conflict):
    """A batch is missing before this one."""

    code = "batch_gap"


class Stale(Conflict):
    """Somebody changed this since it was read."""

    code = "stale"
    status = 412


class SchemaMismatch(Conflict):
    """The database was made by another version of keepbest."""

    code = "schema_mismatch"


class Busy(KeepbestError):
    """The tracker has no capacity for this right now."""

    code = "busy"
    status = 503
    #: Seconds in the Retry-After header of the answer.
    retry_after = 1


class Unreachable(KeepbestError):
    """The tracker does not answer."""

    code = "unreachable"
    status = 503


class CheckpointError(KeepbestError):
    """A checkpoint could not be used."""

    code = "checkpoint_error"


class CheckpointDamaged(CheckpointError):
    """A checkpoint on disk is not what was written."""

    code = "checkpoint_damaged"


class CheckpointMismatch(CheckpointError):
    """The checkpoint does not fit the model."""

    code = "checkpoint_mismatch"
    status = 409


class OptimizersDiffer(CheckpointMismatch):
    """The network of the checkpoint fits the model, its optimizers do not."""

    code = "optimizers_differ"


class CheckpointIncomplete(CheckpointError):
    """A part of the state could not be captured when the checkpoint was written."""

    code = "checkpoint_incomplete"


class StoreUnavailable(CheckpointError):
    """The checkpoint store cannot be written."""

    code = "store_unavailable"


class NotTheStore(StoreUnavailable):
    """The folder is not the checkpoint store that it was."""

    code = "not_the_store"


class TrainingError(KeepbestError):
    """Training ended with an error."""

    code = "training_error"


class MetricMissing(TrainingError):
    """The monitored metric did not arrive."""

    code = "metric_missing"


class CodeFailed(TrainingError):
    """The user's code raised an error."""

    code = "code_failed"


class PolicyError(TrainingError):
    """These validations cannot be judged."""

    code = "policy_error"


def from_body(body: object, status: int) -> KeepbestError:
    """Rebuild the error that the tracker answered with. The HTTP status decides the class if the code is unknown."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return _by_status(status)(f"The tracker answered with HTTP status {status} and no explanation.")
    kind = _BY_CODE.get(str(error.get("code")), _by_status(status))
    return kind(error.get("message"), field=error.get("field"), hint=error.get("hint"))


def _by_status(status: int) -> type[KeepbestError]:
    return next((kind for kind in _BY_CODE.values() if kind.status == status), KeepbestError)


def _walk(kind: type[KeepbestError]) -> Iterator[type[KeepbestError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _walk(child)


def _rebuild(kind: type[KeepbestError], message: str, field: str | None, hint: str | None) -> KeepbestError:
    return kind(message, field=field, hint=hint)


_BY_CODE: dict[str, type[KeepbestError]] = {kind.code: kind for kind in _walk(KeepbestError)}
