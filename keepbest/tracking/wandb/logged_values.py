"""Sorts what a script logs: numbers become metrics; pictures, tables, files and texts are kept beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.journal.values import find_number
from keepbest.tracking.artifacts import ArtifactLogger
from keepbest.tracking.media import MediaLogger
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.wandb.absent import Absent
from keepbest.tracking.wandb.data_types import Logged, to_logged
from keepbest.tracking.wandb.keeper import Keeper
from keepbest.tracking.wandb.run_summary import RunSummary, flatten
from keepbest.tracking.wandb.warnings import warn_once

#: Values of one list.
MAX_LISTED = 100
#: Characters of a logged text in the run's log.
MAX_TEXT = 2000


class LoggedValues:
    """Takes the calls of `log`. A call with nothing but numbers goes straight to the recorder."""

    def __init__(self, recorder: Recorder, media: MediaLogger, files: ArtifactLogger, summary: RunSummary) -> None:
        self._recorder, self._media, self._files, self._summary = recorder, media, files, summary
        #: The types that are known to be one number.
        self._plain: set[type] = {float, int, bool}
        #: Gets the numbers of each call, with their step.
        self.derive: Callable[[Mapping[str, Any], int], object] | None = None

    def log(self, metrics: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Log values at a step; without a step, at the step after the last.

        `commit=False`: the next call without a step logs at the same step.
        """
        if type(metrics) is not dict and not isinstance(metrics, Mapping):
            hint = 'run.log({"loss": 0.5})'
            raise InvalidInput(f"A log takes a dict, but got {type(metrics).__name__}.", field="metrics", hint=hint)
        before = self._recorder.step
        if self._plain.issuperset(map(type, metrics.values())):
            self._recorder.log(metrics, step)
            numbers = metrics
        else:
            numbers = self._log_sorted(flatten(metrics), step)
        if self.derive is not None:
            self.derive(numbers, self._recorder.step)
        if commit is False and step is None:
            self._recorder.step = before

    def _log_sorted(self, values: dict[Any, Any], step: int | None) -> Mapping[str, Any]:
        """Log the numbers, keep the others, and return the numbers."""
        numbers, others = dict[Any, Any](), dict[str, Any]()
        for name, value in values.items():
            is_number = value is None or not isinstance(name, str) or self._is_number(value)
            (numbers if is_number else others)[name] = value
        self._recorder.log(numbers, step)
        keeper = Keeper(self._media, self._files, self._recorder.step)
        for name, value in others.items():
            try:
                self._keep(keeper, name, value)
            except Exception as error:  # from the value's own code too: it never stops a training
                reason = error.message if isinstance(error, InvalidInput) else f"{type(error).__name__}: {error}"
                warn_once(f"{name!r:.200} is left out: {reason:.300}")
        return numbers

    def _is_number(self, value: Any) -> bool:
        if isinstance(value, Real):
            self._plain.add(type(value))
            return True
        try:
            return find_number(value) is not None
        except Exception:  # from the value's own code
            return False

    def _keep(self, keeper: Keeper, name: str, value: Any) -> None:
        if isinstance(value, Absent):
            return
        if isinstance(value, str):
            self._recorder.note(f"step {keeper.step}: {name} = {value[:MAX_TEXT]}")
            self._summary.keep_text(name, value[:MAX_TEXT])
        elif (logged := to_logged(value)) is not None:
            logged.keep(keeper, name)
        elif isinstance(value, Sequence) and any(to_logged(item) is not None for item in value[:MAX_LISTED]):
            self._keep_listed(keeper, name, value)
        else:
            raise InvalidInput(f"A {type(value).__name__} is no number, and nothing else that a run keeps.")

    def _keep_listed(self, keeper: Keeper, name: str, values: Sequence[Any]) -> None:
        if len(values) > MAX_LISTED:
            warn_once(f"{name!r:.200} keeps its first {MAX_LISTED} of {len(values):,} values.")
        for place, item in enumerate(values[:MAX_LISTED]):
            logged: Logged | None = to_logged(item)
            if logged is not None:
                logged.keep(keeper, f"{name}/{place}" if len(values) > 1 else name)
