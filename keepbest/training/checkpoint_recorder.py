"""Writes the checkpoints of a run, in the background or at once, and reports each of them to the run."""

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

#: How long to wait for the journal, which takes milliseconds unless a request hangs. After that, retention waits for
#: the next checkpoint.
JOURNAL_SECONDS = 2.0

#: How long the end of a run tries to remove superseded checkpoints: longer than one process writes without a pause.
SETTLE_SECONDS = 5.0

_log = logging.getLogger("keepbest")


class CheckpointRecorder:
    """The checkpoints of one run in training. Without a store it writes nothing.

    With `writes_bests=False` only `write` writes. The writer's thread calls `find_fault` for every state before it
    writes the state, and for each best even if it writes none.
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
        #: The manifests' facts of bests that the writer skipped for newer ones, which are not checked yet.
        self._skipped: dict[str, CheckpointInfo] = {}
        self._writer: CheckpointWriter | None = None
        self._pruner: CheckpointPruner | None = None
        #: Keras' JSON of the trained network.
        self.network: str | None = None
        #: The form of the network's inputs, if known.
        self.inputs: Inputs | None = None
        self._at: datetime | None = None
        #: The last reported error of the store; empty while the store can be written.
        self._trouble = ""
        #: The step of the last state that was handed over or rolled back to.
        self.step = 0

    @property
    def is_open(self) -> bool:
        """Whether the writer writes submitted states."""
        return self._writer is not None and self._writes_bests

    def open(self) -> None:
        """Start the writer's thread if there is none: it also checks states when there is no store."""
        if self._store is not None and self._pruner is None:
            manifests = self._store.manifests(self._run.id)
            self._at = manifests[-1].at if manifests else None
            self._candidates = find_candidates(manifests)
            self._pruner = CheckpointPruner(self._store, self._run.id, self._retention, self._selector)
            self._report_found(self._store, manifests)
        if self._store is not None and self._writer is None and self._writes_bests:
            self._store.sweep()
        self._writer = self._writer or self._make_writer()

    def is_due(self, step: int) -> bool:
        """Whether retention keeps a checkpoint of this stretch of steps, and none was handed over yet."""
        every = self._retention.every_steps
        return every is not None and step // every > self.step // every

    def wants(self, validation: Candidate) -> bool:
        """Whether the selector may choose this validation at the end although it is not the best: then it is kept."""
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
        """Hand a state to the writer; return at once. The run answers the `command` when the state is on disk.

        With a selector this first waits for earlier states, so that the candidates on disk do not depend on the disk's
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
        """Hand over a best that was skipped for a best since withdrawn. The writer's own thread may call this."""
        about = self._skipped.pop(skipped, None)
        if about is not None and self._writer is not None:
            self._writer.submit(again, about, is_late=True)

    def write(self, state: State, kind: CheckpointKind, value: float | None, *, segment: int, **more: Any) -> Manifest:
        """Write a state to the disk before this returns; `more` are further fields of its manifest.

        Raises:
            NotFound: The run has no store.
            StoreUnavailable: The disk is full, read-only or gone.
        """
        if self._store is None:
            raise NotFound("This run has no checkpoint store.", hint="Name one: store='checkpoints'.")
        self.drain()
        with self._run.life.slowly():
            written = _Settled(self._store, self._run).write(state, self._about(kind, value, segment, **more))
        self._report_durable(written)
        return written.manifest

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until every checkpoint is on disk or has failed; return whether that came in time."""
        with self._run.life.slowly():
            return self._writer is None or self._writer.drain(deadline_seconds)

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, and end the writer's thread; `open` starts another."""
        writer, self._writer = self._writer, None
        with self._run.life.slowly():
            is_done = writer is None or writer.close(deadline_seconds)
            if self._pruner is not None:
                self._pruner.settle(lambda: self._run.recorder.is_written_down(JOURNAL_SECONDS), SETTLE_SECONDS)
        return is_done

    def _make_writer(self) -> CheckpointWriter:
        sink = _Settled(self._store, self._run) if self._store is not None and self._writes_bests else None
        reports: dict[str, Any] = {"on_skipped": self._report_skipped, "on_error": self._report_error}
        reports["on_delayed"] = self._report_delayed
        return CheckpointWriter(sink, admit=self._admit, on_durable=self._report_durable, **reports)

    def _about(self, kind: CheckpointKind, value: float | None, segment: int, **more: Any) -> CheckpointInfo:
        now = self._now()
        # Later than any checkpoint of the run, even if the system's clock goes back: the newest stays the newest.
        self._at = now if self._at is None or now > self._at else self._at + timedelta(microseconds=1)
        return CheckpointInfo(
            run=self._run.id,
            at=self._at,
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

    def _report_found(self, store: Store, manifests: Sequence[Manifest]) -> None:
        """Report the checkpoints of the run's earlier processes, which may have been killed before they reported.

        The tracker ignores checkpoints that it knows. It has never heard of segments from this process's first on.
        """
        for manifest in manifests:
            if manifest.segment < self._run.recorder.first_segment:
                with suppress(CheckpointError, NotFound):  # another process has just removed it
                    digest = store.read_manifest(manifest.run, manifest.id)[1]
                    self._record_durable(
                        manifest, digest, store.folder.manifest(manifest.run, manifest.id), at=manifest.at
                    )

    def _record_durable(self, manifest: Manifest, digest: str, location: Path, **more: Any) -> None:
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

    # Called by the writer's thread

    def _admit(self, task: Task) -> bool:
        """Whether to write a state: it is sound, or somebody asked for it. Reports a state that is not written."""
        fault = self._find_fault(task.state)
        if fault is None or task.about.kind == "manual":
            return True
        self._candidates = [candidate for candidate in self._candidates if candidate.id != task.state.id]
        if self._writes_bests:
            _log.warning("keepbest: the checkpoint of step %d is not written: %s.", task.state.step, fault)
            self._run.recorder.checkpoint_dropped(task.state.id, f"It was not written: {fault}."[:500])
        return False

    def _report_durable(self, written: Written) -> None:
        manifest = written.manifest
        if manifest.kind == "best":
            self._skipped = {id: about for id, about in self._skipped.copy().items() if about.at > manifest.at}
        cost = {"written_bytes": written.written_bytes, "seconds": written.seconds}
        self._record_durable(manifest, written.digest, written.location, **cost)
        if self._trouble:
            self._trouble = ""
            self._run.recorder.report(warning="")
            _log.warning("Step %d is on disk: the checkpoint store can be written again.", manifest.step)
        if (command := self._asked.pop(manifest.id, None)) is not None:
            result = {"checkpoint": manifest.id, "step": manifest.step}
            self._run.commands.answer(command, "done", f"Step {manifest.step} is on disk.", result)
        if self._pruner is not None:
            reason = f"Step {manifest.step} is on disk; retention keeps {self._pruner.describe()}."
            self._pruner.take(
                manifest, self._run.recorder.needed_checkpoints(), lambda going: self._report_going(going, reason)
            )

    def _report_going(self, going: list[str], reason: str) -> bool:
        """Report the checkpoints that will go. After a kill, the next process of the run removes them."""
        for id in going:
            self._run.recorder.checkpoint_dropped(id, reason)
        return self._run.recorder.is_written_down(JOURNAL_SECONDS)

    def _report_skipped(self, task: Task) -> None:
        if self._writes_bests:
            self._skipped[task.state.id] = task.about
            self._run.recorder.checkpoint_dropped(task.state.id, "A newer one came before this one was written.")

    def _report_delayed(self, task: Task, error: StoreUnavailable) -> None:
        """Report once that the store is away or full. Training goes on, and the writer tries again."""
        if error.message != self._trouble:
            self._trouble = error.message
            _log.error("Checkpoint of step %s is not written yet: %s %s", task.state.step, error.message, error.hint)
            self._run.recorder.report(
                warning=f"The checkpoint of step {task.state.step} is not written yet: {error.message}"
            )

    def _report_error(self, task: Task, error: Exception) -> None:
        message = error.message if isinstance(error, KeepbestError) else f"{type(error).__name__}: {error}"
        hint = getattr(error, "hint", None) or ""
        _log.error("Checkpoint of step %s was not written: %s %s", task.state.step, message, hint)
        self._run.recorder.checkpoint_dropped(task.state.id, f"It was not written: {message}"[:500])
        if (command := self._asked.pop(task.state.id, None)) is not None:
            self._run.commands.answer(command, "refused", f"{message} {hint}".strip()[:2000])


@dataclass(frozen=True)
class _Settled:
    """Writes states with the present truth about their stopper: without bests that were withdrawn since."""

    store: Store
    run: Run

    def write(self, state: State, about: CheckpointInfo) -> Written:
        return self.store.write(replace(state, stopper=self.run.stopper.settle(state.stopper)), about)
