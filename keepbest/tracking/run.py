"""A run as the script that trains it sees it: log, validation, finish.

    with keepbest.init(project="digits", monitor="val_accuracy", mode="max") as run:
        for step in range(1, 10_000):
            run.log({"loss": train_one_step()}, step=step)
            if step % 100 == 0 and run.report_validation(step, validate(), n=5000).stop:
                break

`init` makes a run for a user's own script; a worker's trainer, which was given its run, uses `attach`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from keepbest.checkpoint import Checkpoint, Store
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
from keepbest.journal.values import describe_error, describe_here
from keepbest.renamed import refuse_method
from keepbest.status import StopReason
from keepbest.stopping import Decision, Mode, Validation, read_pairs
from keepbest.tracking.commands import Commands, stopped_by
from keepbest.tracking.former_runs import forget
from keepbest.tracking.media import MediaLogger
from keepbest.tracking.opening import Opening
from keepbest.tracking.process.exit import Terminated, as_known, find_cause
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.run_end import RunEnd, broken_off, failed, finished
from keepbest.tracking.stopper import Stopper, mode_of
from keepbest.tracking.validations import make_validation

DRAIN_SECONDS = 30.0
#: The same where somebody waits for the process to end.
BROKEN_OFF_SECONDS = 10.0
#: What `dir(run)` shows.
SHOWN = (
    "id", "monitor", "step", "start", "url", "log", "report_validation", "beat", "best", "decision",
    "deadline", "finish", "fail",
    "log_image", "log_histogram", "log_confusion", "log_graph",
)  # fmt: skip


@dataclass(frozen=True)
class BestValidation:
    """The best validation so far. `checkpoint` is None where it is kept in memory only, or not on disk yet."""

    step: int
    value: float
    checkpoint: Checkpoint | None


class Run:
    """One living run, as `keepbest.init` returns it. Call `log` from any thread, all else from the one that trains.

    It is made of its `stopper`, which judges validations; its `recorder`, which writes what is said; `media`, for
    pictures; and `commands`, for what people ask. Loops of keepbest's own call these parts.

    `uploader` is None for a run that nobody hears of (mode "disabled"): it still judges validations. `on_end` is told
    how the run ended, after everything it said was sent, and raises LeaseLost where it was somebody else's by then.
    `on_listen` is called when somebody first asks for commands; `is_ended_from_outside` says that somebody else ends
    the process of a cancelled run.

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
    ) -> None:
        self.id = run
        self.stopper = stopper
        self.recorder = recorder = Recorder(monitor, uploader, first_segment)
        self.media = MediaLogger(recorder)
        queue: deque[Command] = commands if commands is not None else deque()
        self.commands = Commands(queue, recorder, on_listen=on_listen, are_cancels_left=is_ended_from_outside)
        self.retention = retention or RetentionSpec()
        #: Signs of life of the thread that trains.
        self.life = recorder.life
        #: The page of the run, where a tracker shows it.
        self.url: str | None = None
        #: Where its checkpoints go; None while nobody keeps any.
        self.store: Store | None = None
        #: Whether a fit has begun that has not come to its end: from within it, or where it was broken off.
        self.is_fitting = False
        #: What the submission of a command said, which counts over what its script says.
        self.fixed: Sequence[contract.Said] = ()
        self._is_ended_from_outside = is_ended_from_outside
        #: How the first segment of this process is opened.
        self.opening = Opening()
        self._end = RunEnd(run, recorder, self.commands, on_end)
        self._declared = Declared()
        self._stop_asked_for: Decision | None = None

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
            raise refuse_method(self, name)

    def __dir__(self) -> list[str]:
        """What a script uses, for whoever asks a notebook: the rest is what keepbest's own loops call."""
        return [*SHOWN, *(name for name in super().__dir__() if name.startswith("__"))]

    # How it begins

    def begin(self, opening: Opening) -> None:
        """Open the first segment of this process, now or as `opening` says, and start reporting."""
        self.opening, recorder = opening, self.recorder
        opening.begin(recorder, self.stopper)
        recorder.report(environment=describe_here())
        if recorder.uploader is not None:
            recorder.uploader.start()

    @property
    def start(self) -> KnownCheckpoint | None:
        """The checkpoint that a run goes on from which an earlier process of its script began."""
        return self.opening.start

    def go_on_at(self, step: int, checkpoint: str | None = None) -> None:
        """Say that training goes on from `step`, from that checkpoint; else the first step that is said tells it."""
        self.opening.go_on_at(self.recorder, step, checkpoint)

    def declare(self, declared: Declared) -> None:
        """Tell the tracker what a command's script says of its run; it counts where the submission said nothing."""
        known = {name: getattr(declared, name) for name in Declared.model_fields}
        self._declared = self._declared.model_copy(update={n: value for n, value in known.items() if value is not None})
        self.recorder.report(declared=self._declared)

    # What is logged

    @property
    def monitor(self) -> str:
        """The metric that is judged."""
        return self.recorder.monitor

    @monitor.setter
    def monitor(self, monitor: str) -> None:
        self.recorder.monitor = monitor

    @property
    def step(self) -> int:
        """The last step that was said."""
        return self.recorder.step

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Take the values of some metrics at a step; without one, at the step after the last.

        Costs a few microseconds and is not yet durable. A value that is no number is left out, with one warning.
        """
        self.recorder.log(metrics, step)

    def log_image(self, name: str, image: Any, step: int | None = None, *, caption: str = "") -> None:
        """Log (height, width) or (height, width, 1 or 3): bytes as they are, other numbers from the least to the most.

        Raises InvalidInput for another shape, or more than 512 pixels a side.
        """
        self.media.log_image(name, image, step, caption=caption)

    def log_histogram(self, name: str, values: Mapping[str, Any] | Any, step: int | None = None) -> None:
        """Log how numbers are spread: of one array, or of several by name."""
        self.media.log_histogram(name, values, step)

    def log_confusion(
        self, name: str, true: Any, predicted: Any, classes: Sequence[str], step: int | None = None
    ) -> None:
        """Log a confusion matrix from two lists of class numbers.

        Raises InvalidInput where they differ in length or hold a class that `classes` does not name.
        """
        self.media.log_confusion(name, true, predicted, classes, step)

    def log_graph(self, name: str, of: Any, *examples: Any) -> None:
        """Log how a Keras network computes an example, or a function: its examples may be `tf.TensorSpec` objects."""
        self.media.log_graph(name, of, *examples)

    def beat(self) -> None:
        """Say that training goes on, where nothing is logged for minutes: a long validation, a preparation of data."""
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

        `train` is the training loss, `metrics` what else was measured; `correct` is whether each example was right (a
        vector of bools), or `losses` that of each, for `paired_noise`; both are recorded with the validation. A stop
        that somebody asked for counts as one.
        """
        told: dict[str, Any] = {
            "train": train,
            "metrics": metrics,
            "epoch": epoch,
            "pairs": read_pairs(correct, losses),
        }
        validation = make_validation(step, value, n, **told)
        decision = self.judge(validation)
        if not decision.stop and (asked_for := self.commands.find_stop(decision)) is not None:
            decision = self._stop_asked_for = asked_for
        self.recorder.record_validation(self.stopper.with_pairs(validation), decision)
        return decision

    def judge(self, validation: Validation) -> Decision:
        """Return the stopper's decision, and record nothing yet. Without a value it is the silence up to the step."""
        self.know_mode()
        self.opening.open_before(validation.step)
        measured = {**validation.metrics, self.monitor: validation.value}
        return self.stopper.observe(replace(validation, metrics=measured))

    @property
    def decision(self) -> Decision | None:
        """The decision at the last validation, or the one that stopped: the stopper's, or what `report_validation` was
        asked for.
        """
        return self._stop_asked_for or self.stopper.decision

    @property
    def best(self) -> BestValidation | None:
        """The best validation so far, and its checkpoint; None before the first that measured anything."""
        step, value = self.stopper.best
        if step is None or value is None:
            return None
        return BestValidation(step, value, self._find_checkpoint(step, value))

    def _find_checkpoint(self, step: int, value: float) -> Checkpoint | None:
        """Return the newest checkpoint of a validation."""
        if self.store is None:
            return None
        manifests = self.store.manifests(self.id)
        result = [
            manifest
            for manifest in manifests
            if manifest.is_trained and (manifest.step, manifest.value) == (step, value)
        ]
        return Checkpoint(result[-1], self.store) if result else None

    # How it is judged

    def deadline(self) -> int | None:
        """Return the step at which silence stops the run, or None. `judge(Validation(step))` then says so."""
        return self.stopper.deadline()

    def set_mode(self, mode: Mode) -> None:
        """Say which way the monitored metric gets better, once Keras knows; the tracker is told."""
        self.stopper.set_mode(mode)
        self.recorder.report(mode=mode)

    def know_mode(self) -> None:
        """See that it is known which way is better: where nobody said it, by the monitored metric's name.

        Raises InvalidInput where that does not say it.
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
    ) -> int:
        """Open a new segment after a roll back to `step` of segment `parent`; return its number.

        `state` is the stopper's at that moment (`stopper.state()` in the snapshot); `overrides` say what is judged
        otherwise from there, and are kept with the segment.
        """
        self._stop_asked_for = None
        if state is not None:
            self.stopper.go_on_from(state, keep_seconds=True)
        self.stopper.change(step, overrides or Overrides())
        return self.recorder.open_segment("roll_back", step, parent, checkpoint, overrides)

    def lift_stop(self, step: int) -> None:
        """Take back a stop, the stopper's or one that was asked for: training goes on from `step`."""
        self._stop_asked_for = None
        self.stopper.lift_stop(step)

    def note_stop(self, command: Command, step: int) -> None:
        """Take a stop that somebody asked for as the run's decision, at `step`: it is why the run ends."""
        last = self.stopper.decision or Decision(stop=False, improved=False, at_step=step, message="")
        self._stop_asked_for = stopped_by(command, replace(last, improved=False, at_step=step))

    # How it ends

    def before_end(self, call: Callable[[], object]) -> None:
        """Have `call` called before the run says that it ended: its best must be on disk by then."""
        self._end.before(call)

    def keep_console(self) -> None:
        """Keep what this process prints, until the run ends, as the run's log."""
        self._end.keep_console(self.opening.past.printed)

    def watch_end(self) -> None:
        """End the run with the process, however that ends."""
        self._end.watch(lambda: self.end_with(find_cause(is_broken_off=self.is_fitting)))

    def finish(
        self,
        reason: StopReason | None = None,
        message: str | None = None,
        *,
        test: TestResult | None = None,
        selection: Selection | None = None,
        seconds: float = DRAIN_SECONDS,
    ) -> bool:
        """End the run as a success; the reason is the stopper's where none is given.

        Waits up to `seconds` for the tracker. Return whether it has everything, and the run was still this script's;
        what it has not is kept, and what it did not take lies in a file that a warning has named.
        """
        return self.end(finished(self.decision, reason, message, test=test, selection=selection), seconds)

    def fail(self, error: BaseException, *, seconds: float = DRAIN_SECONDS) -> bool:
        """End the run as failed, with the error and its traceback."""
        told = describe_error(error)
        self.recorder.report(error=told)
        return self.end(failed(told), seconds)

    def end_with(self, error: BaseException | None) -> bool:
        """End the run the way a block or a script ended: none finishes, Ctrl-C and SIGTERM cancel, all else fails.

        Where somebody ends its process from outside, SIGTERM is that one's word.
        """
        error = as_known(error)
        if self._is_ended_from_outside and isinstance(error, Terminated):
            self._end.stay_silent()
        if error is None and self.is_fitting:
            return self.finish(StopReason.USER, "Its fit was broken off; the script went on to its end.")
        if error is None:
            return self.finish()
        if isinstance(error, KeyboardInterrupt | Terminated):
            return self.end(broken_off(error), BROKEN_OFF_SECONDS)
        return self.fail(error)

    def end(self, release: Release, seconds: float) -> bool:
        """End the run in the words of `release`; a run ends once."""
        forget(self)
        return self._end.end(release, seconds)
