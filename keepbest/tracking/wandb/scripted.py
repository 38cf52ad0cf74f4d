"""What a script has of a run beside its metrics: configuration, summary, files, alerts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from keepbest.tracking.artifacts import ArtifactLogger
from keepbest.tracking.media import MediaLogger
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.wandb.alerts import Alerts
from keepbest.tracking.wandb.config_changes import describe_changes
from keepbest.tracking.wandb.derived_validations import DerivedValidations, DerivingRun
from keepbest.tracking.wandb.logged_values import LoggedValues
from keepbest.tracking.wandb.run_config import RunConfig
from keepbest.tracking.wandb.run_summary import RunSummary
from keepbest.tracking.wandb.script_files import ScriptFiles
from keepbest.tracking.wandb.warnings import warn_once

_log = logging.getLogger("keepbest")


class Scripted:
    """The parts of one run. `declare` gets the whole configuration, as JSON, after each change."""

    def __init__(
        self,
        recorder: Recorder,
        media: MediaLogger,
        files: ArtifactLogger,
        declare: Callable[[dict[str, Any]], object],
    ) -> None:
        self._recorder, self._declare = recorder, declare
        self.config = RunConfig(None, self._note_change)
        self.summary = RunSummary(recorder)
        self.files = ScriptFiles(files)
        self.logged = LoggedValues(recorder, media, files, self.summary)
        self.derived: DerivedValidations | None = None
        self.alert = Alerts(recorder).alert

    def begin_with(
        self, config: RunConfig, last: Mapping[str, Any] | None = None, summary: Mapping[str, Any] | None = None
    ) -> None:
        """Set the configuration that the run begins with. `last` and `summary`: the recorded ones, if the run goes on.

        What differs from last time is shown and written into the run's log.
        """
        self.summary.begin_with(summary or {})
        config.listen(self._note_change)
        self.config = config
        if last is None:
            return
        config.add_missing(last)
        kept = config.to_json()
        if kept != last:
            words = f"configuration differs from last time: {describe_changes(last, kept)}"
            _log.warning("keepbest: %s", words)
            self._recorder.note(words)
            self._declare(kept)

    def derive_from(self, run: DerivingRun) -> None:
        """Make validations of what the script logs, until it reports one itself."""
        self.derived = DerivedValidations(run, self.summary.find_way)
        self.logged.derive = self.derived.take

    def derive_no_more(self) -> None:
        """Leave it to the script to report its validations."""
        if self.derived is not None:
            self.derived.give_up()
            self.derived = self.logged.derive = None

    def define_metric(
        self,
        name: Any,
        step_metric: Any = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
        **_: Any,
    ) -> Metric:
        """Say what the summary of a metric holds: "min", "max", "mean", "best", "last", "first" or "none".

        `name` may end with a star. `goal` ("maximize" or "minimize") is the way to the better, for "best". The axis of
        a chart is chosen on the page, so `step_metric` changes nothing.
        """
        word = str(getattr(name, "name", name))
        axis = getattr(step_metric, "name", step_metric)
        if axis is not None:
            warn_once(f"the page draws a metric over {str(axis)!r:.100} when it is chosen as the chart's axis.")
        if hidden:
            warn_once("define_metric(hidden=True) is ignored: the page's workspace says which charts it shows.")
        self.summary.define(word, summary, goal)
        return Metric(word)

    def watch(self, *models: Any, **_: Any) -> list[Any]:
        """Watch no gradients, and say once what does."""
        warn_once(
            "watch is not in keepbest; nearest: keepbest.KeepBest draws panels of a model, run.log_histogram any."
        )
        return []

    def unwatch(self, *models: Any) -> None:
        """End no watch."""

    def end(self, begin: Callable[[int], object]) -> None:
        """Keep what the run's end is to keep; `begin` gets the step first."""
        if self.derived is not None:
            self.derived.end()
        self.files.keep_later()
        self.summary.write_numbers(begin)

    def _note_change(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        if any(after.get(name) != value for name, value in before.items()):
            known = {name: value for name, value in after.items() if name in before}
            self._recorder.note(f"configuration changed: {describe_changes(before, known)}")
        self._declare(after)


class Metric:
    """A defined metric, as `define_metric` returns it."""

    def __init__(self, name: str) -> None:
        self.name = name
