"""A run as its script sees it: log, report validations, finish.

    with keepbest.init(project="digits", monitor="val_accuracy", mode="max") as run:
        for step in range(1, 10_000):
            run.log({"loss": train_one_step()}, step=step)
            if step % 100 == 0 and run.report_validation(step, validate(), n=5000).stop:
                break

`init` makes a run for a user's own script; a worker's trainer gets its run assigned and uses `attach`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from keepbest.checkpoint import Store
from keepbest.contract import runs as contract
from keepbest.contract.batches import Declared
from keepbest.contract.checkpoints import Checkpoint as KnownCheckpoint
from keepbest.contract.commands import Command
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import RetentionSpec
from keepbest.contract.runs import TestResult
from keepbest.contract.selections import Selection
from keepbest.contract.workers import Release
from keepbest.journal.uploader import Uploader
from keepbest.journal.values import describe_error
from keepbest.provenance.describe import describe_process
from keepbest.renamed import refuse_method
from keepbest.status import StopReason
from keepbest.stopping import Decision, Mode, Validation, read_pairs
from keepbest.tracking import current_run
from keepbest.tracking.artifacts import ArtifactLogger
from keepbest.tracking.best_validation import BestValidation, find_best
from keepbest.tracking.commands import Commands, stopped_by
from keepbest.tracking.former_runs import forget
from keepbest.tracking.media import MediaLogger
from keepbest.tracking.notebook.card import CardFacts, draw_card
from keepbest.tracking.notebook.cells import find_broken
from keepbest.tracking.notebook.live_card import LiveCard
from keepbest.tracking.notebook.run_facts import read_card
from keepbest.tracking.opening import Opening
from keepbest.tracking.process.exit import Terminated, as_known, find_cause
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.run_end import RunEnd, broken_off, failed, finished
from keepbest.tracking.run_names import RunNames
from keepbest.tracking.stopper import Stopper, mode_of
from keepbest.tracking.validations import make_validation
from keepbest.tracking.wandb.absent import NEAREST_OF_RUN, stand_in
from keepbest.tracking.wandb.named_run import NamedRun
from keepbest.tracking.wandb.scripted import Scripted

DRAIN_SECONDS = 30.0
#: The same after Ctrl-C or SIGTERM, when somebody waits for the process to end.
BROKEN_OFF_SECONDS = 10.0
#: The names that `dir(run)` shows.
SHOWN = (
    "id", "monitor", "step", "start", "url", "log", "report_validation", "beat", "best", "decision",
    "deadline", "finish", "fail",
    "log_image", "log_histogram", "log_confusion", "log_graph",
    "log_artifact", "log_text", "log_table", "log_figure", "use_artifact",
    "config", "summary", "project", "name", "tags", "notes", "group", "job_type", "dir",
    "define_metric", "save", "alert",
)  # fmt: skip


class Run(NamedRun):
    """A living run, as `keepbest.init` returns it. Call `log` from any thread, all else from the training thread.

    A run has parts: `stopper` judges validations, `recorder` writes the records, `media` logs pictures, `artifacts`
    keeps files, `commands` holds the requests of people. keepbest's own loops call these parts.

    Without `uploader` (mode "disabled") the run is not recorded, and still judges validations. `on_end` gets the
    Release after everything was sent; it raises LeaseLost if another process holds the run by then. `on_listen` is
    called when the script first asks for commands. `is_ended_from_outside`: a worker ends the process of a cancelled
    run.

    Example:
        >>> import keepbest
        >>> run = keepbest.init(monitor="val_loss")
        >>> run.log({"loss": 0.9}, step=100)
        >>> run.report_validation(100, 0.8, n=5000).improved
        True
        >>> ended = run.finish()
        >>> run.best.step, run.best.value
        (100, 0.8)
    """

    def __init__(
        self,
        run: str,
        stopper: Stopper,
        *,
        monitor: str,
        uploader: Uploader | None = None,
        first_segment: int = 0,
        commands: deque[Command] | None = None,
        retention: RetentionSpec | None = None,
        on_end: Callable[[Release], None] = lambda release: None,
        on_listen: Callable[[], None] | None = None,
        is_ended_from_outside: bool = False,
        names: RunNames | None = None,
    ) -> None:
        self.id = run
        self.stopper = stopper
        self.recorder = recorder = Recorder(monitor, uploader, first_segment)
        self.media = MediaLogger(recorder)
        files = self.artifacts = ArtifactLogger(run, recorder)
        self.log_artifact, self.log_text, self.log_table = files.log_artifact, files.log_text, files.log_table
        self.log_figure, self.use_artifact = files.log_figure, files.use_artifact
        media = self.media
        self.log_image, self.log_histogram = media.log_image, media.log_histogram
        self.log_confusion, self.log_graph = media.log_confusion, media.log_graph
        #: Configuration, summary, saved files and alerts.
        self.scripted = parts = Scripted(recorder, media, files, lambda all: self.declare(Declared(parameters=all)))
        self.define_metric, self.save, self.alert = parts.define_metric, parts.files.save, parts.alert
        self.watch, self.unwatch = parts.watch, parts.unwatch
        #: Project, name, tags and notes.
        self.names = names or RunNames()
        queue: deque[Command] = commands if commands is not None else deque()
        self.commands = Commands(queue, recorder, on_listen=on_listen, are_cancels_left=is_ended_from_outside)
        self.retention = retention or RetentionSpec()
        #: Signs of life of the thread that trains.
        self.life = recorder.life
        #: The address of the run's page; None without a tracker.
        self.url: str | None = None
        #: The store of the run's checkpoints; None while none is kept.
        self.store: Store | None = None
        #: Whether a fit has begun and not ended: it goes on, or an error interrupted it.
        self.is_fitting = False
        #: The fields that the submission of a command set; the script cannot change them.
        self.fixed: Sequence[contract.DeclaredField] = ()
        self._is_ended_from_outside = is_ended_from_outside
        #: How the first segment of this process is opened.
        self.opening = Opening()
        self._end = RunEnd(run, recorder, self.artifacts, self.commands, on_end)
        self._end.before(lambda: parts.end(self.go_on_at))
        self._declared = Declared()
        self._requested_stop: Decision | None = None
        #: Follows the run in a notebook.
        self.card = LiveCard(self, self._read_card)

    def __enter__(self) -> Run:
        forget(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_with(error)

    def __repr__(self) -> str:
        return f"Run({self.id!r})"

    if not TYPE_CHECKING:  # a type checker finds an old name by itself

        def __getattr__(self, name: str) -> Any:
            if name in NEAREST_OF_RUN:
                return stand_in(f"run.{name}", name, NEAREST_OF_RUN)
            raise refuse_method(self, name)

    def _repr_html_(self) -> str:
        """Return the card that a notebook shows."""
        return draw_card(self._read_card())

    def _read_card(self) -> CardFacts:
        return read_card(self.id, self.names, self.url, self._end.outcome, self.stopper, self.recorder, self.decision)

    def __dir__(self) -> list[str]:
        """Return the names that a script uses, without those for keepbest's own loops."""
        return [*SHOWN, *(name for name in super().__dir__() if name.startswith("__"))]

    # How it begins

    def begin(self, opening: Opening) -> None:
        """Start reporting, and open the first segment of this process as `opening` does."""
        self.opening, recorder = opening, self.recorder
        opening.begin(recorder, self.stopper)
        recorder.describe(describe_process())
        if recorder.uploader is not None:
            recorder.uploader.start()

    @property
    def start(self) -> KnownCheckpoint | None:
        """The checkpoint that the run goes on from, if an earlier process of the script began the run."""
        return self.opening.start

    def go_on_at(self, step: int, checkpoint: str | None = None) -> None:
        """Record that training goes on at `step` from `checkpoint`; otherwise the first logged step counts."""
        self.opening.go_on_at(self.recorder, step, checkpoint)

    def declare(self, declared: Declared) -> None:
        """Report what a command's script declares of its run; it counts for fields that the submission left open."""
        known = {name: getattr(declared, name) for name in Declared.model_fields}
        self._declared = self._declared.model_copy(update={n: value for n, value in known.items() if value is not None})
        self.recorder.report(declared=self._declared)

    # What is logged

    @property
    def monitor(self) -> str:
        """The metric that the stopper judges."""
        return self.recorder.monitor

    @monitor.setter
    def monitor(self, monitor: str) -> None:
        self.scripted.derive_no_more()
        self.recorder.monitor = monitor

    @property
    def step(self) -> int:
        """The last logged step."""
        return self.recorder.step

    def log(self, metrics: Mapping[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Log values at a step; without a step, at the step after the last.

        The call takes a few microseconds; the values are not durable yet. Nested dicts are logged by their path:
        `train.loss`. Images, histograms, tables, figures and texts are kept beside the numbers; of what a run cannot
        keep, there is one warning. With `commit=False` the next call without a step logs at the same step.
        """
        self.scripted.logged.log(metrics, step, commit)

    def beat(self) -> None:
        """Report that training goes on while nothing is logged for minutes, as in a long validation."""
        self.life.beat()

    # What was measured

    def report_validation(
        self,
        step: int,
        value: float | None,
        n: int | None = None,
        *,
        train: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        epoch: float | None = None,
        correct: Any = None,
        losses: Any = None,
    ) -> Decision:
        """Judge a validation of the monitored metric on `n` examples, and record it with the decision.

        `train` is the training loss, `metrics` the further metrics. For `paired_noise`, `correct` says whether each
        example was right (a vector of bools), or `losses` is the loss of each example; both are recorded. If a person
        requested a stop, the decision is that stop.
        """
        pairs = read_pairs(correct, losses)
        validation = make_validation(step, value, n, train=train, metrics=metrics, pairs=pairs, epoch=epoch)
        decision = self.judge(validation)
        if not decision.stop and (requested := self.commands.find_stop(decision)) is not None:
            decision = self._requested_stop = requested
        self.recorder.record_validation(self.stopper.with_pairs(validation), decision)
        return decision

    def judge(self, validation: Validation) -> Decision:
        """Return the stopper's decision without recording it. A validation without a value only names the step."""
        self.scripted.derive_no_more()
        self.know_mode()
        self.opening.open_before(validation.step)
        measured = {**validation.metrics, self.monitor: validation.value}
        return self.stopper.observe(replace(validation, metrics=measured))

    @property
    def decision(self) -> Decision | None:
        """The decision that stopped the run, by the stopper or by request, else the one at the last validation."""
        return self._requested_stop or self.stopper.decision

    @property
    def best(self) -> BestValidation | None:
        """The best validation so far, and its checkpoint; None before the first finite value."""
        return find_best(self.stopper, self.store, self.id)

    # How it is judged

    def deadline(self) -> int | None:
        """Return the step at which the run stops without a validation, or None. `judge(Validation(step))` stops it."""
        return self.stopper.deadline()

    def set_mode(self, mode: Mode) -> None:
        """Set which way the monitored metric gets better, and report it to the tracker."""
        self.scripted.derive_no_more()
        self.stopper.set_mode(mode)
        self.recorder.report(mode=mode)

    def know_mode(self) -> None:
        """If the mode is not set, set it by the name of the monitored metric.

        Raises InvalidInput if the name does not tell the mode.
        """
        if self.stopper.mode is None:
            self.set_mode(mode_of(self.monitor))

    def branch(
        self,
        step: int,
        *,
        parent: int,
        state: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        overrides: Overrides | None = None,
        reason: contract.Jump = "roll_back",
    ) -> int:
        """Open a new segment after a roll back to `step` of segment `parent`; return its number.

        `state` is the stopper's state at that step (`stopper.state()` in the snapshot). `overrides` change the stopper
        from there on, and are recorded with the segment.
        """
        self._requested_stop = None
        if state is not None:
            self.stopper.go_on_from(state, keep_seconds=True)
        self.stopper.change(step, overrides or Overrides())
        return self.recorder.open_segment(reason, step, parent, checkpoint, overrides)

    def lift_stop(self, step: int) -> None:
        """Lift a stop, the stopper's or a requested one: training goes on from `step`."""
        self._requested_stop = None
        self.stopper.lift_stop(step)

    def note_stop(self, command: Command, step: int) -> None:
        """Make a requested stop the run's decision at `step`: the reason why the run ends."""
        last = self.stopper.decision or Decision(stop=False, improved=False, at_step=step, message="")
        self._requested_stop = stopped_by(command, replace(last, improved=False, at_step=step))

    # How it ends

    def before_end(self, call: Callable[[], object]) -> None:
        """Call `call` before the run reports its end, so that its best is on disk by then."""
        self._end.before(call)

    def keep_console(self) -> None:
        """Record the output of this process as the run's log until the run ends."""
        self._end.keep_console(self.opening.past.printed)

    def watch_end(self) -> None:
        """End the run when the process ends, however it ends."""
        self._end.watch(lambda: self.end_with(self.find_cause()))

    def find_cause(self) -> BaseException | None:
        """Return what ends the process, or broke off the notebook's cell in which the run trained last, or None."""
        return find_broken(self) or find_cause(is_broken_off=self.is_fitting)

    def finish(
        self,
        reason: StopReason | None = None,
        message: str | None = None,
        *,
        test: TestResult | None = None,
        selection: Selection | None = None,
        seconds: float = DRAIN_SECONDS,
        exit_code: int | None = None,
    ) -> bool:
        """End the run as finished; without `reason`, for the stopper's reason.

        Waits up to `seconds` for the tracker. Returns whether the tracker has every record and this script still held
        the run. Unsent records stay in the journal; refused records lie in a file that a warning names. With another
        `exit_code` than 0 the run has failed.
        """
        if exit_code:
            return self.fail(SystemExit(exit_code), seconds=seconds)
        return self.end(finished(self.decision, reason, message, test=test, selection=selection), seconds)

    def fail(self, error: BaseException, *, seconds: float = DRAIN_SECONDS) -> bool:
        """End the run as failed, with the error and its traceback."""
        run_error = describe_error(error)
        self.recorder.report(error=run_error)
        return self.end(failed(run_error), seconds)

    def end_with(self, error: BaseException | None) -> bool:
        """End the run as its block or script ended: finished, cancelled (by Ctrl-C or SIGTERM), or else failed.

        After SIGTERM from a worker that ends its processes itself, the worker reports how the run ended.
        """
        error = as_known(error)
        if self._is_ended_from_outside and isinstance(error, Terminated):
            self._end.stay_silent()
        if error is None and self.is_fitting:
            return self.finish(StopReason.USER, "The fit was interrupted; the script went on to its end.")
        if error is None:
            return self.finish()
        if isinstance(error, KeyboardInterrupt | Terminated):
            return self.end(broken_off(error), BROKEN_OFF_SECONDS)
        return self.fail(error)

    def end(self, release: Release, seconds: float) -> bool:
        """End the run with `release`; only the first call counts."""
        forget(self)
        current_run.end(self)
        is_complete = self._end.end(release, seconds)
        self.card.follow(at_once=True)
        return is_complete
