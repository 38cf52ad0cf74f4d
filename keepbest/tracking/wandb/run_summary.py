"""A run's summary: the last value of each metric, or what `define_metric` asks for, and what is written."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from keepbest.hints import nearest
from keepbest.journal.configuration import to_json
from keepbest.journal.values import find_number
from keepbest.stopping import find_mode
from keepbest.tracking.recorder import Recorder

#: The field of a run's environment that holds what its script wrote into the summary.
SUMMARY = "summary"
KINDS = ("min", "max", "mean", "best", "last", "first", "copy", "none")
MAX_DEPTH = 10
#: Values of one nested dict.
MAX_VALUES = 10_000
MAX_RULES = 1000
_log = logging.getLogger("keepbest")


class SummaryPart(dict[str, Any]):
    """A part of the summary, whose values are attributes too: `run.summary.loss.min`."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"The summary has no {name!r} here. {nearest(name, self)}")


class RunSummary(Mapping[str, Any]):
    """A run's summary, to read and to write: `run.summary["best_accuracy"] = 0.9`, `run.summary.loss`.

    What a script writes is recorded at once in the run's environment. When the run ends, each written number that no
    curve has the name of becomes a metric with this one value, so that lists and filters have it too.
    """

    def __init__(self, recorder: Recorder) -> None:
        _set(self, _recorder=recorder, _own={}, _last=recorder.latest, _rules={}, _kinds={}, _seen={})

    _recorder: Recorder
    _own: dict[str, Any]
    _last: dict[str, float]
    #: Patterns of names, each with the summary that they ask for and the way to the better.
    _rules: dict[str, tuple[tuple[str, ...], str | None]]
    _kinds: dict[str, tuple[tuple[str, ...], str | None] | None]
    _seen: dict[str, _Range]

    def begin_with(self, values: Mapping[str, Any]) -> None:
        """Take over what an earlier process of the run wrote; the environment of this one has it from now on."""
        if values:
            self._own.update(values)
            self._record()

    def define(self, name: str, kinds: str | None, goal: str | None) -> None:
        """Have the summary of the metrics `name` hold `kinds`, such as "min,max"; a star stands for any text."""
        words = tuple(word.strip() for word in (kinds or "").split(",") if word.strip())
        for word in (word for word in words if word not in KINDS):
            _log.warning("keepbest: a summary %.100r is not known. %s", word, nearest(word, KINDS))
        words = tuple(word for word in words if word in KINDS)
        way = {"max": "max", "min": "min"}.get(str(goal)[:3])
        if (words or way) and len(self._rules) < MAX_RULES:
            self._rules[name] = (words, way)
            self._kinds.clear()
            self._recorder.take_values = self._take

    def find_way(self, name: str) -> str | None:
        """Return the way to the better that `define_metric` told of a metric: "max", "min" or None."""
        kinds, way = self._find_rule(name) or ((), None)
        return way or next((kind for kind in kinds if kind in ("min", "max")), None)

    def update(self, values: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Write several values."""
        self._write({**(values or {}), **more})

    def keep_text(self, name: str, text: str) -> None:
        """Keep the newest text that was logged under a name; it is recorded with the next written value."""
        self._own[name] = text

    def write_numbers(self, begin: Callable[[int], object]) -> None:
        """Log the written numbers that no curve has the name of, at the last step, which `begin` gets first."""
        if self._own:
            self._record()
        numbers = {name: value for name, value in self._own.items() if name not in self._last and _is_number(value)}
        if numbers:
            begin(self._recorder.step)
            self._recorder.log(numbers, self._recorder.step)

    def __getitem__(self, name: str) -> Any:
        if name in self._own:
            return self._own[name]
        if name in self._last:
            shown = self._show(name)
            if shown is not None:
                return shown
        part = self._gather(f"{name}.")
        if not part:
            raise KeyError(name)
        return part

    def __setitem__(self, name: str, value: Any) -> None:
        self._write({name: value})

    def __delitem__(self, name: str) -> None:
        del self._own[name]
        self._record()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # while a copy is made, it has no values yet
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"The summary has no {name!r}. {nearest(name, self)}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        measured = (name for name in self._last if name not in self._own and self._show(name) is not None)
        return iter([*self._own, *measured])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the values alone."""
        return dict, (dict(self),)

    def __repr__(self) -> str:
        return repr(dict(self))

    def _gather(self, begins: str) -> SummaryPart:
        """Return the values whose names begin so, nested as they were logged."""
        part = SummaryPart()
        for key in (key for key in self if key.startswith(begins)):
            *parents, last = key[len(begins) :].split(".")
            place = part
            for parent in parents[:MAX_DEPTH]:
                inner = place.setdefault(parent, SummaryPart())
                place = inner if isinstance(inner, SummaryPart) else place
            place[last] = self[key]
        return part

    def _write(self, values: Mapping[str, Any]) -> None:
        self._own.update(flatten(values))
        self._record()

    def _record(self) -> None:
        self._recorder.describe({SUMMARY: to_json(self._own)})

    def _take(self, values: Mapping[str, float]) -> None:
        """Note the values of one call of `log`, of which millions may come."""
        for name, value in values.items():
            if name not in self._kinds:
                self._kinds[name] = self._find_rule(name)
            if self._kinds[name] is not None:
                self._seen.setdefault(name, _Range()).add(value)

    def _find_rule(self, name: str) -> tuple[tuple[str, ...], str | None] | None:
        exact = self._rules.get(name)
        return exact or next((rule for pattern, rule in self._rules.items() if fnmatchcase(name, pattern)), None)

    def _show(self, name: str) -> Any | None:
        """Return a metric's value, or the values that its rule asks for; None if it asks for none."""
        kinds, way = self._kinds.get(name) or ((), None)
        values = self._seen.get(name)
        if not kinds or values is None or kinds == ("copy",):
            return self._last[name]
        if "none" in kinds:
            return None
        way = way or find_mode(name) or "min"
        return SummaryPart({kind: values.find(kind, way) for kind in kinds})


class _Range:
    """The least, greatest, first, last and mean of the finite values of a metric."""

    def __init__(self) -> None:
        self._least, self._greatest = math.inf, -math.inf
        self._first = self._last = math.nan
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._last = value
        if math.isfinite(value):
            self._first = value if not self._count else self._first
            self._least, self._greatest = min(self._least, value), max(self._greatest, value)
            self._sum, self._count = self._sum + value, self._count + 1

    def find(self, kind: str, way: str) -> float:
        if not self._count or kind in ("last", "copy"):
            return self._last
        if kind in ("mean", "first"):
            return self._first if kind == "first" else self._sum / self._count
        return self._least if kind == "min" or (kind == "best" and way == "min") else self._greatest


def find_summary(environment: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the environment of a run holds of its summary."""
    kept = (environment or {}).get(SUMMARY)
    return dict(kept) if isinstance(kept, Mapping) else {}


def flatten(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return nested values by their path, as W&B shows them; those after MAX_VALUES are left out.

    >>> flatten({"train": {"loss": 1, "deep": {"x": 2}}, "epoch": 3})
    {'epoch': 3, 'train.loss': 1, 'train.deep.x': 2}
    """
    flat: dict[Any, Any] = {}
    waiting: deque[tuple[str, Mapping[Any, Any], int]] = deque([("", values, 0)])
    while waiting:
        begin, part, depth = waiting.popleft()
        for name, value in part.items():
            path = f"{begin}{name}" if begin else name
            if len(flat) + len(waiting) >= MAX_VALUES:
                _log.warning("keepbest: nested values after %.100r are left out: there are too many.", path)
                return flat
            if isinstance(value, Mapping) and depth < MAX_DEPTH:
                waiting.append((f"{path}.", value, depth + 1))
            else:
                flat[path] = value
    return flat


def _set(summary: RunSummary, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(summary, name, value)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str) and find_number(value) is not None
