"""Trains one run from its build to its end. `__main__` calls it once the process is tied to its agent."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from keepbest.checkpoint import Store
from keepbest.client.client import Client
from keepbest.contract.runs import CodeSource, RunError, Segment, TestResult
from keepbest.contract.workers import Release
from keepbest.errors import KeepbestError
from keepbest.journal import values
from keepbest.panels.examples import see
from keepbest.panels.panel_worker import Painter
from keepbest.rates import find_absurd
from keepbest.selection.selectors import build as build_selector
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.state import State
from keepbest.status import StopReason
from keepbest.tracking.attach import attach
from keepbest.training.best_keeper import BestKeeper
from keepbest.training.reference_examples import of_part
from keepbest.training.spec import Training, build_model
from worker.child_process import FAILED, FINISHED, HANDED_BACK
from worker.run_folder import RunFolder, TrainerJob
from worker.trainer import environment, user_code
from worker.trainer.agent_pipe import HandedBack
from worker.trainer.batches import BatchSource, make_feed
from worker.trainer.build import build
from worker.trainer.check_monitor import check_monitor
from worker.trainer.ema import prepare
from worker.trainer.epochs import settle_epochs
from worker.trainer.evaluate import Evaluator, walk_and_count
from worker.trainer.fit import Ending, TrainingLoop
from worker.trainer.resume import resume
from worker.trainer.select_model import Selecting

_log = logging.getLogger("keepbest.trainer")

#: How long the end of a run waits until its best is on disk; after that the write counts as failed.
DRAIN_SECONDS = 600.0
#: How long the end of a run waits until the tracker has its records; the agent delivers the rest later.
REPORT_SECONDS = 5.0
NOT_DETERMINISTIC = "TensorFlow's operations are not deterministic on this worker (KEEPBEST_WORKER_DETERMINISTIC=0)."
NOT_KEPT = "Training ended, but its best could not be written to the checkpoint store; the run's log says why."


class Trainer:
    """Trains one run. Set `hand_back` when the worker leaves."""

    def __init__(self, folder: RunFolder, job: TrainerJob, client: Client) -> None:
        self._folder = folder
        self._job = job
        self._client = client
        self._spec = job.assignment.run.spec
        self._selector = build_selector(self._spec.selector.model_dump())
        self.hand_back = threading.Event()
        self.is_training = False
        self._is_lost = False
        self.run = attach(job.assignment, client, folder.journal, on_lost=self._note_loss, on_end=folder.write_outcome)
        self.run.recorder.show_life(folder.path)

    def train(self) -> int:
        """Train; return the exit code. By then the folder holds the outcome, and the journal all records."""
        try:
            return self._train()
        except HandedBack:
            return self._leave()
        except KeepbestError as error:
            _log.error("%s", error.message)
            return self._fail(RunError(code=error.code, message=error.message, hint=error.hint))
        except BaseException as error:  # the user's code may raise anything, sys.exit included
            described = self._describe(error)
            print(described.traceback or described.message, flush=True)
            return self._fail(described)

    def _train(self) -> int:
        environment.prepare(self._spec.seed, deterministic=self._job.deterministic)
        training = build(self._spec, code=self._folder.code, data_folder=self._job.data)
        feed = make_feed(training, self._spec.seed, deterministic=self._job.deterministic)
        self._spec = settle_epochs(self.run, self._spec, training, feed, self._job.assignment.run.max_steps)
        build_model(training)
        prepare(training.model, self._selector)
        store = Store(self._job.store, notes=self._job.notes)
        check_monitor(training, self._spec.monitor)
        warn_of_rate(training.model)
        carried = CarriedState(training.callbacks)
        keeper = self._make_keeper(training, feed, store, carried)
        position = resume(self.run, store, self._job.assignment, training.model, self._read_segments, carried)
        store.folder.select(self.run.id, None)  # the run goes on, and its end will select again
        keeper.begin(training.model)
        keeper.paint_start(position)
        if self.run.opening.overrides is not None:
            keeper.rollback.change(position, self.run.opening.overrides)
        loop = TrainingLoop(training, feed, keeper, self._spec, self.hand_back, carried)
        self.is_training = True
        ending = loop.train(position.step)
        with self.run.life.slowly():
            return self._conclude(ending, loop, keeper, training, feed)

    def _read_segments(self) -> Sequence[Segment]:
        """Return the segments of earlier attempts; none if the tracker does not answer."""
        try:
            return self._client.segments(self.run.id).segments
        except KeepbestError as error:
            _log.warning("The changes of earlier attempts are not known: %s", error.message)
            return ()

    def _make_keeper(self, training: Training, feed: BatchSource, store: Store, carried: CarriedState) -> BestKeeper:
        about = environment.describe(self._spec.source, deterministic=self._job.deterministic)
        about |= {"data": dict(training.about)} if training.about else {}
        note = feed.note or (None if self._job.deterministic else NOT_DETERMINISTIC)
        self.run.recorder.describe(about)
        self.run.recorder.report(resume="approximate" if note else "exact", resume_note=note)
        scene = see(training.validation, classes=training.classes) if training.panels else None
        painter = Painter(scene, self.run.recorder.say) if scene is not None else None
        fields: dict[str, Any] = {"environment": about, "painter": painter, "selector": self._selector}
        references = of_part(training.validation, self._spec.keep_examples or training.keep_examples)
        return BestKeeper(self.run, store, **fields, references=references, carried=carried, strict=self._spec.strict)

    # The end

    def _conclude(
        self, ending: Ending, loop: TrainingLoop, keeper: BestKeeper, training: Training, feed: BatchSource
    ) -> int:
        _log.info("Ended at step %d: %s.", loop.step, ending.value)
        if ending is Ending.HANDED_BACK:
            if not self._is_lost:  # otherwise another worker writes the run's checkpoints now
                keeper.checkpoint(loop.position, "last")
                keeper.close(DRAIN_SECONDS)
            return self._leave()
        if ending is Ending.CANCELLED:
            return self._end(Release(outcome="cancelled", stop_reason=StopReason.USER), FINISHED)
        if ending is Ending.PAUSED:
            return self._pause(loop, keeper)
        if ending is Ending.SET_ASIDE:
            return self._set_aside(loop, keeper)
        if loop.step != keeper.best[0]:  # so that a resume can go on from the run's end
            keeper.checkpoint(loop.position, "last")
        keeper.paint_end(loop.position)
        keeper.close(DRAIN_SECONDS)
        best = keeper.restore_best()
        store = Store(self._job.store, notes=self._job.notes)
        is_kept = best is None or best.id in store.checkpoints(self.run.id)
        chosen, selection = best, None
        if best is not None and is_kept and not self._selector.is_usual:
            selecting = Selecting(self._selector, keeper, store, training, feed, loop.gauge, self.hand_back)
            chosen, selection = selecting.select(best)
        test = self._measure_test(chosen, training) if chosen is not None else None
        message = None if is_kept else NOT_KEPT
        reason = None
        if ending is Ending.CALLBACK:
            reason, message = StopReason.USER, message or f"At step {loop.step:,}, {ending.value}."
        self.run.finish(reason, message, test=test, selection=selection, seconds=REPORT_SECONDS)
        return FINISHED

    def _pause(self, loop: TrainingLoop, keeper: BestKeeper) -> int:
        """Write the state of exactly this step to the disk, unless it is there as the best."""
        decision = self.run.stopper.decision
        assert decision is not None  # noqa: S101  # the loop ended by this decision
        if not decision.improved:
            keeper.checkpoint(loop.position, "last")
        keeper.close(DRAIN_SECONDS)
        text = next(verdict.message for verdict in decision.verdicts if verdict.rung is not None)
        message = f"{text[0].upper()}{text[1:]}."
        return self._end(Release(outcome="paused", rung=self.run.stopper.rung, stop_message=message), FINISHED)

    def _set_aside(self, loop: TrainingLoop, keeper: BestKeeper) -> int:
        """Pause the run for the person who asked; the state was written when the command was obeyed."""
        if loop.is_validation_due:  # then this step was also validated, and the stopper knows more
            keeper.checkpoint(loop.position, "last")
        keeper.close(DRAIN_SECONDS)
        self.run.recorder.report(step=loop.step)
        return self._end(Release(outcome="paused", stop_message=f"Paused at step {loop.step}."), FINISHED)

    def _measure_test(self, best: State, training: Training) -> TestResult | None:
        """Measure the selected model on the test set: once, and without choosing anything by the result."""
        if training.test is None:
            return None
        measured = Evaluator(training.test).measure(training.model)
        _log.info("Test set at step %d: %s", best.step, measured.values)
        n = measured.n if measured.n is not None else walk_and_count(training.test)
        return TestResult(step=best.step, n=n, values=measured.values, checkpoint=best.id)

    def _describe(self, error: BaseException) -> RunError:
        """Describe an error of a user's code by its own frames, and an error of a recipe by all frames."""
        if isinstance(self._spec.source, CodeSource):
            return user_code.describe_error(error, self._folder.code)
        return values.describe_error(error)

    def _fail(self, error: RunError) -> int:
        self.run.recorder.report(error=error)
        message = error.message[:2000]
        release = Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=message, error=error)
        return self._end(release, FAILED)

    def _leave(self) -> int:
        return self._end(Release(outcome="handed_back", stop_message="The worker left."), HANDED_BACK)

    def _end(self, release: Release, code: int) -> int:
        self.run.end(release, seconds=REPORT_SECONDS)
        return code

    def _note_loss(self, error: KeepbestError) -> None:
        """Stop as soon as possible, because another worker has the run now. The agent notices this by itself."""
        _log.error("The run is no longer ours: %s", error.message)
        self._is_lost = True
        self.hand_back.set()


def warn_of_rate(model: Any) -> None:
    """Log a warning if the learning rate is probably a typing error. A schedule is not judged."""
    rate = getattr(model.optimizer, "_learning_rate", None)  # a variable, or a schedule
    if rate is None or not hasattr(rate, "numpy"):
        return
    if (odd := find_absurd(float(rate.numpy()))) is not None:
        _log.warning("Warning: %s.", odd)
