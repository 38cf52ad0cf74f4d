"""`keepbest.runs`: the runs that fit a filter, asked of the tracker page by page as they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

from keepbest.client.client import Client
from keepbest.contract.runs import Run, RunPage
from keepbest.contract.validations import MetricSummary
from keepbest.errors import KeepbestError
from keepbest.query.terms import Field
from keepbest.query.writing import write_name

#: Runs of one request.
PAGE = 200
#: Metrics that come with the runs of a project where nobody says which.
MOST_METRICS = 50
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
#: What a record says of a run beside parameters and metrics, by the name of the run's field.
_FACTS = (
    "id", "project", "number", "name", "state", "stop_reason", "created_by", "created_at", "started_at", "ended_at",
    "worker", "step", "best_value", "best_step", "last_value", "notes",
)  # fmt: skip


@dataclass(frozen=True)
class FoundRun:
    """A run as it was when its page was read; `run` is all that the tracker said of it.

    Example:
        >>> for run in keepbest.runs("state = finished"):  # doctest: +SKIP
        ...     print(run.name, run.params["learning_rate"], run.best)
    """

    run: Run
    client: Client = field(repr=False)

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def name(self) -> str:
        return self.run.name

    @property
    def project(self) -> str:
        return self.run.project

    @property
    def state(self) -> str:
        return self.run.state.value

    @property
    def tags(self) -> list[str]:
        return self.run.tags

    @property
    def notes(self) -> str:
        return self.run.notes

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that the run was given."""
        return self.run.spec.parameters

    @property
    def best(self) -> float | None:
        """The best value of the metric that the run watches."""
        return self.run.best_value

    @property
    def best_step(self) -> int | None:
        return self.run.best_step

    @property
    def values(self) -> dict[str, Any]:
        """What was asked for as `columns`, by the name that was asked for."""
        return {name: _to_value(value) for name, value in self.run.values.items()}

    @cached_property
    def metrics(self) -> Mapping[str, MetricSummary]:
        """What the run measured, by key: last, lowest and highest value. One request, when it is first read."""
        return {summary.key: summary for summary in self.client.metrics(self.id).metrics}

    def to_record(self) -> dict[str, Any]:
        """Return the run as one flat dict: facts, `tags`, `params.<name>`, and the values of the asked columns."""
        facts = {name: getattr(self.run, name) for name in _FACTS}
        facts |= {"state": self.state, "stop_reason": self.run.stop_reason and self.run.stop_reason.value}
        params = {write_name(Field("parameter", name)): value for name, value in self.params.items()}
        return {**facts, "monitor": self.run.spec.monitor, "tags": self.tags, **params, **self.values}


class FoundRuns:
    """The runs that fit a filter. Each iteration asks the tracker anew; `len()` asks for the count alone."""

    def __init__(
        self,
        filter: str | None,
        *,
        project: str | None,
        sort: str | None,
        order: Literal["asc", "desc"] | None,
        columns: Sequence[str] | None,
        client: Client,
    ) -> None:
        self.filter = filter
        self.project = project
        self._sort: dict[str, Any] = {"sort": sort, "order": order}
        self._columns = columns
        self._client = client

    def __repr__(self) -> str:
        return f"keepbest.runs({self.filter!r}, project={self.project!r})"

    def __iter__(self) -> Iterator[FoundRun]:
        page = self._read(limit=PAGE)
        while True:
            yield from (FoundRun(run, self._client) for run in page.runs)
            if page.cursor is None:
                return
            page = self._read(limit=PAGE, cursor=page.cursor)

    def __len__(self) -> int:
        """Return how many there are; raises TypeError where the tracker stops counting: there are more than 10,000."""
        page = self._client.runs(project=self.project, q=self.filter, count=True, limit=1)
        if page.total is None or page.total_is_least:
            raise TypeError("There are too many runs to count; read them one by one.")
        return page.total

    def __bool__(self) -> bool:
        return bool(self._client.runs(project=self.project, q=self.filter, limit=1).runs)

    def to_records(self) -> list[dict[str, Any]]:
        """Return a dict for each run, as `FoundRun.to_record` says."""
        return [run.to_record() for run in self]

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with a row for each run; raises KeepbestError where pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError:
            hint = "Install pandas, or use to_records(), which needs nothing."
            raise KeepbestError("to_pandas needs pandas, which is not installed.", hint=hint) from None
        return pandas.DataFrame.from_records(self.to_records())

    @cached_property
    def columns(self) -> Sequence[str]:
        """What comes with each run: what was asked for, else the best of each of the project's metrics, up to 50."""
        if self._columns is not None or self.project is None:
            return self._columns or ()
        keys = [metric.key for metric in self._client.fields(self.project).metrics]
        return [write_name(Field("metric", key)) for key in keys[:MOST_METRICS]]

    def _read(self, **place: Any) -> RunPage:
        query = {"project": self.project, "q": self.filter, "columns": self.columns, **self._sort}
        return self._client.runs(**query, **place)


def runs(
    filter: str | None = None,
    *,
    project: str | None = None,
    sort: str | None = None,
    order: Literal["asc", "desc"] | None = None,
    columns: Sequence[str] | None = None,
    client: Client | None = None,
) -> FoundRuns:
    """Find the runs that fit a filter; nothing is asked before they are read.

    Args:
        filter: The same text as in `keepbest ls` and on the page: `"params.learning_rate < 1e-3 and tag = vision"`.
            None for all runs.
        project: Only this project's runs; None for all projects.
        sort: A column, a parameter or a metric: `created`, `params.learning_rate`, `val_loss.last`.
        order: `asc` or `desc`; None for the newest or largest first.
        columns: Metrics and parameters that come with each run, as `values` and in its record. None: the best of each
            of the project's metrics, where a project is named.
        client: The tracker to ask; None for that of the settings.

    Returns:
        An iterable over the runs, with `len()`, `to_records()` and `to_pandas()`.

    Raises:
        InvalidInput: When they are read, for a filter that is none; the message says the place and the nearest name.

    Example:
        >>> found = keepbest.runs("state = finished and val_loss < 0.1", project="digits")  # doctest: +SKIP
        >>> found.to_pandas()  # doctest: +SKIP
    """
    return FoundRuns(filter, project=project, sort=sort, order=order, columns=columns, client=client or Client())


def _to_value(value: Any) -> Any:
    """Return a value as Python has it: the wire writes a number that is not finite as a word."""
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value
