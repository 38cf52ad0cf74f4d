"""What of a run goes to the disk: handed to the background writer, or written at once; the run hears of each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from keepbest.checkpoint import CheckpointInfo, CheckpointWriter, Manifest, Store, Written
from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.upkeep.pruner import CheckpointPruner
from keepbest.checkpoint.upkeep.retention import find_candidates
from keepbest.checkpoint.writer import Task
from keepbest.contract.base import CheckpointKind
from keepbest.contract.commands import Command
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import CheckpointError, KeepbestError, NotFound, StoreUnavailable
from keepbest.selection.candidates import Candidate
from keepbest.selection.selectors import Best, Selector
from keepbest.snapshots.state import State
from keepbest.tracking.run import Run

#: The journal takes milliseconds, unless a request hangs: then what is to go goes with the next checkpoint.
JOURNAL_SECONDS = 2.0

#: At the end: longer than anybody writes to the store at a stretch.
SETTLE_SECONDS = 5.0

_log = logging.getLogger("keepbest")


class CheckpointRecorder:
    """The checkpoints of one run while it is trained. Without a store it takes nothing.

    `writes_bests=False` writes only what `write` is asked for. `find_fault` is asked of every state before it is
    written, in the writer's thread, and of the bests also where nothing is written.
    """

    def __init__(
        self,
        run: Run,
        store: Store | None,
        retention: RetentionSpec,
        *,
        environment: Mapping[str, Any] | None = None,
        writes_bests: bool = True,
        selector: Selector | None = None,
        find_fault: Callable[[State], str | None] = lambda state: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._run = run
        self._store = store
        self._retention = retention
        self._selector = selector or Best()
        self._candidates: list[Candidate] = []
        self._environment = dict(environment or {})
        self._writes_bests = writes_bests and store is not None
        self._find_fault = find_fault
        self._now = now
        self._asked: dict[str, Command] = {}
        #: What the bests would have been called that newer ones, not yet checked, outran.
        self._skipped: dict[str, CheckpointInfo] = {}
        self._writer: CheckpointWriter | None = None
        self._keeper: CheckpointPruner | None = None
        #: Keras' JSON of the network that is trained.
        self.network: str | None = None
        #: What it is called with, as far as that is known.
        self.inputs: Inputs | None = None
        self._at: datetime | None = None
        #: Why the store does not take what is written, as the run was told; empty where it does.
        self._trouble = ""
        #: The step that a state was last handed over of, or gone back to.
        self.step = 0

    @property
    def is_open(self) -> bool:
        """Whether what is submitted gets written."""
        return self._writer is not None and self._writes_bests

    def open(self) -> None:
        """Start the writer's thread, where there is none: it checks states, also where there is nothing to write to."""
        if self._store is not None and self._keeper is None:
            manifests = self._store.manifests(self._run.id)
            self._at = manifests[-1].at if manifests else None
            self._candidates = find_candidates(manifests)
            self._keeper = CheckpointPruner(self._store, self._run.id, self._retention, self._selector)
            self._tell_found(self._store, manifests)
        if self._store is not None and self._writer is None and self._writes_bests:
            self._store.sweep()
        self._writer = self._writer or self._make_writer()

    def is_due(self, step: int) -> bool:
        """Whether retention wants a checkpoint of this stretch of steps, and none was handed over yet."""
        every = self._retention.every_steps
        return every is not None and step // every > self.step // every

    def wants(self, validation: Candidate) -> bool:
        """Whether the selector may choose this validation at the end although it is not the best: it is kept too."""
        return self._selector.wants(validation, self._candidates, self._run.stopper.policy.mode)

    def submit(
        self,
        state: State,
        kind: CheckpointKind,
        value: float | None,
        *,
        segment: int,
        n: int | None = None,
        command: Command | None = None,
    ) -> None:
        """Hand a state to the writer; return at once. A command that asked for it is answered when it is on disk.

        A validation that a selector may choose waits for those before: which are on disk must not depend on the disk's
        pace.
        """
        if self._writer is None or not (self._writes_bests or kind == "best"):
            return
        if value is not None and not isinstance(self._selector, Best):
            self._candidates.append(Candidate(state.id, state.step, value, n))
            self._writer.drain()
        if command is not None:
            self._asked[state.id] = command
        self.step = state.step
        self._writer.submit(state, self._about(kind, value, segment, n=n))

    def submit_again(self, skipped: str, again: State) -> None:
        """Hand over a best that was skipped for one that is none, as it was. Safe from the writer's own thread."""
        about = self._skipped.pop(skipped, None)
        if about is not None and self._writer is not None:
            self._writer.submit(again, about, is_late=True)

    def write(self, state: State, kind: CheckpointKind, value: float | None, *, segment: int, **more: Any) -> Manifest:
        """Put a state on disk before this returns; `more` is what else its manifest says.

        Raises:
            NotFound: The run has no store.
            StoreUnavailable: The disk is full, read-only or gone.
        """
        if self._store is None:
            raise NotFound("This run has no checkpoint store.", hint="Name one: store='checkpoints'.")
        self.drain()
        with self._run.life.slowly():
            written = _Settled(self._store, self._run).write(state, self._about(kind, value, segment, **more))
        self._tell_durable(written)
        return written.manifest

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until every checkpoint is on disk or given up; return whether that came in time."""
        with self._run.life.slowly():
            return self._writer is None or self._writer.drain(deadline_seconds)

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, and end the writer's thread; `open` starts another."""
        writer, self._writer = self._writer, None
        with self._run.life.slowly():
            is_done = writer is None or writer.close(deadline_seconds)
            if self._keeper is not None:
                self._keeper.settle(lambda: self._run.recorder.is_written_down(JOURNAL_SECONDS), SETTLE_SECONDS)
        return is_done

    def _make_writer(self) -> CheckpointWriter:
        into = _Settled(self._store, self._run) if self._store is not None and self._writes_bests else None
        told: dict[str, Any] = {"on_skipped": self._tell_skipped, "on_error": self._tell_error}
        told["on_delayed"] = self._tell_delayed
        return CheckpointWriter(into, admit=self._admit, on_durable=self._tell_durable, **told)

    def _tick(self) -> datetime:
        """Return the time, later than any checkpoint of the run: "newest" holds also where a clock was set back."""
        now = self._now()
        self._at = now if self._at is None or now > self._at else self._at + timedelta(microseconds=1)
        return self._at

    def _about(self, kind: CheckpointKind, value: float | None, segment: int, **more: Any) -> CheckpointInfo:
        return CheckpointInfo(
            run=self._run.id,
            at=self._tick(),
            kind=kind,
            segment=segment,
            value=value,
            monitor=self._run.monitor,
            mode=self._run.stopper.mode,
            environment=self._environment,
            network=self.network,
            inputs=self.inputs,
            **more,
        )

    def _tell_found(self, store: Store, manifests: Sequence[Manifest]) -> None:
        """Say what earlier processes of the run wrote: one that was killed may not have come to say it.

        The tracker leaves what it knows as it is. A segment of this process' own number it never heard of.
        """
        for manifest in manifests:
            if manifest.segment < self._run.recorder.first_segment:
                with suppress(CheckpointError, NotFound):  # somebody took it out just now
                    digest = store.read_manifest(manifest.run, manifest.id)[1]
                    self._say_durable(
                        manifest, digest, store.folder.manifest(manifest.run, manifest.id), at=manifest.at
                    )

    def _say_durable(self, manifest: Manifest, digest: str, location: Path, **more: Any) -> None:
        self._run.recorder.checkpoint_durable(
            manifest.id,
            step=manifest.step,
            kind=manifest.kind,
            value=manifest.value,
            n=manifest.n,
            digest=digest,
            size_bytes=manifest.size_bytes,
            location=str(location),
            store=self._store.folder.identity.expected if self._store is not None else None,
            segment=manifest.segment,
            **{"written_bytes": 0, **more},
        )

    # What the writer's thread says

    def _admit(self, task: Task) -> bool:
        """Whether a state is worth going back to, or was asked for; what is not written is told as dropped."""
        fault = self._find_fault(task.state)
        if fault is None or task.about.kind == "manual":
            return True
        self._candidates = [candidate for candidate in self._candidates if candidate.id != task.state.id]
        if self._writes_bests:
            _log.warning("keepbest: the checkpoint of step %d is not written: %s.", task.state.step, fault)
            self._run.recorder.checkpoint_dropped(task.state.id, f"It was not written: {fault}."[:500])
        return False

    def _tell_durable(self, written: Written) -> None:
        manifest = written.manifest
        if manifest.kind == "best":
            self._skipped = {
                id: checkpoint_info
                for id, checkpoint_info in self._skipped.copy().items()
                if checkpoint_info.at > manifest.at
            }
        cost = {"written_bytes": written.written_bytes, "seconds": written.seconds}
        self._say_durable(manifest, written.digest, written.location, **cost)
        if self._trouble:
            self._trouble = ""
            self._run.recorder.report(warning="")
            _log.warning("Step %d is on disk: the checkpoint store can be written again.", manifest.step)
        if (command := self._asked.pop(manifest.id, None)) is not None:
            result = {"checkpoint": manifest.id, "step": manifest.step}
            self._run.commands.answer(command, "done", f"Step {manifest.step} is on disk.", result)
        if self._keeper is not None:
            reason = f"Step {manifest.step} is on disk; retention keeps {self._keeper.describe()}."
            self._keeper.take(
                manifest, self._run.recorder.needed_checkpoints(), lambda going: self._tell_going(going, reason)
            )

    def _tell_going(self, going: list[str], reason: str) -> bool:
        """Said first and removed then: killed in between, the next process of the run removes them."""
        for id in going:
            self._run.recorder.checkpoint_dropped(id, reason)
        return self._run.recorder.is_written_down(JOURNAL_SECONDS)

    def _tell_skipped(self, task: Task) -> None:
        if self._writes_bests:
            self._skipped[task.state.id] = task.about
            self._run.recorder.checkpoint_dropped(task.state.id, "A newer one came before this one was written.")

    def _tell_delayed(self, task: Task, error: StoreUnavailable) -> None:
        """Say once that the store is away, or full; training goes on, and the newest best is written when it can be."""
        if error.message != self._trouble:
            self._trouble = error.message
            _log.error("Checkpoint of step %s is not written yet: %s %s", task.state.step, error.message, error.hint)
            self._run.recorder.report(
                warning=f"The checkpoint of step {task.state.step} is not written yet: {error.message}"
            )

    def _tell_error(self, task: Task, error: Exception) -> None:
        message = error.message if isinstance(error, KeepbestError) else f"{type(error).__name__}: {error}"
        hint = getattr(error, "hint", None) or ""
        _log.error("Checkpoint of step %s was not written: %s %s", task.state.step, message, hint)
        self._run.recorder.checkpoint_dropped(task.state.id, f"It was not written: {message}"[:500])
        if (command := self._asked.pop(task.state.id, None)) is not None:
            self._run.commands.answer(command, "refused", f"{message} {hint}".strip()[:2000])


@dataclass(frozen=True)
class _Settled:
    """Writes states as they are right by now: without bests that were withdrawn since they were taken."""

    store: Store
    run: Run

    def write(self, state: State, about: CheckpointInfo) -> Written:
        return self.store.write(replace(state, stopper=self.run.stopper.settle(state.stopper)), about)
