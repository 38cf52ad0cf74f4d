"""One run from its build to its end: what `__main__` calls once the process is tied to its agent."""

from __future__ import annotations

import logging
import threading

from keepbest.checkpoint import Store
from keepbest.client import Client
from keepbest.contract.runs import CodeSource, RunError, TestResult
from keepbest.contract.workers import Release
from keepbest.errors import KeepbestError
from keepbest.looking.looker import Looker
from keepbest.panels.painter import Painter
from keepbest.panels.scene import see
from keepbest.reporting import values
from keepbest.runs.run import Run
from keepbest.snapshots.state import State
from keepbest.status import StopReason
from keepbest.training import Training
from worker.folder import Job, RunFolder
from worker.supervisor import FAILED, FINISHED, HANDED_BACK
from worker.trainer import environment, usercode
from worker.trainer.build import build
from worker.trainer.feed import Feed, make_feed
from worker.trainer.loop import Ending, Loop
from worker.trainer.measure import Ruler, first_input, walk_and_count
from worker.trainer.resume import resume

_log = logging.getLogger("keepbest.trainer")

#: The best must be on disk before the run is called finished; a disk that takes longer is said to have failed.
DRAIN_SECONDS = 600.0
#: What is not with the tracker after so long the agent delivers, when the tracker answers again.
REPORT_SECONDS = 5.0
NOT_DETERMINISTIC = "TensorFlow's operations are not deterministic on this worker (KEEPBEST_WORKER_DETERMINISTIC=0)."
NOT_KEPT = "Training ended, but its best could not be written to the checkpoint store; the run's log says why."


class HandedBack(BaseException):
    """The worker leaves before training has begun; not an error of anybody's code."""


class Trainer:
    """Trains one run. `hand_back` is set when the worker leaves."""

    def __init__(self, folder: RunFolder, job: Job, client: Client) -> None:
        self._folder = folder
        self._job = job
        self._spec = job.assignment.run.spec
        self.hand_back = threading.Event()
        self.is_training = False
        self._is_lost = False
        self.run = Run.attach(
            job.assignment, client, folder.journal, on_lost=self._note_loss, on_end=folder.write_outcome
        )

    def train(self) -> int:
        """Return the exit code; how it ended is in the folder by then, and everything said is in the journal."""
        try:
            return self._train()
        except HandedBack:
            return self._leave()
        except KeepbestError as error:
            _log.error("%s", error.message)
            return self._fail(RunError(code=error.code, message=error.message, hint=error.hint))
        except BaseException as error:  # whatever the user's code raised, sys.exit included
            told = self._describe(error)
            print(told.traceback or told.message, flush=True)
            return self._fail(told)

    def _train(self) -> int:
        environment.prepare(self._spec.seed, deterministic=self._job.deterministic)
        training = build(self._spec, code=self._folder.code, data_folder=self._job.data)
        feed = make_feed(training, self._spec.seed, deterministic=self._job.deterministic)
        build_model(training)
        store = Store(self._job.store)
        looker = self._make_looker(training, feed, store)
        position = resume(self.run, store, self._job.assignment, training.model)
        looker.begin(training.model)
        looker.paint_start(position)
        if self.run.overrides is not None:
            looker.change(position, self.run.overrides)
        loop = Loop(training, feed, looker, self._spec, self.hand_back)
        self.is_training = True
        return self._conclude(loop.train(position.step), loop, looker, training)

    def _make_looker(self, training: Training, feed: Feed, store: Store) -> Looker:
        about = environment.describe(self._spec.source, deterministic=self._job.deterministic)
        about |= {"data": dict(training.about)} if training.about else {}
        note = feed.note or (None if self._job.deterministic else NOT_DETERMINISTIC)
        self.run.report(environment=about, resume="approximate" if note else "exact", resume_note=note)
        return Looker(self.run, store, environment=about, painter=self._make_painter(training))

    def _make_painter(self, training: Training) -> Painter | None:
        scene = see(training.validation, classes=training.classes) if training.panels else None
        return Painter(scene, self.run.say) if scene is not None else None

    # The end

    def _conclude(self, ending: Ending, loop: Loop, looker: Looker, training: Training) -> int:
        _log.info("Ended at step %d: %s.", loop.step, ending.value)
        if ending is Ending.HANDED_BACK:
            if not self._is_lost:  # else the run is somebody else's, and so is its store
                looker.checkpoint(loop.position, "last")
                looker.close(DRAIN_SECONDS)
            return self._leave()
        if ending is Ending.CANCELLED:
            return self._end(Release(outcome="cancelled", stop_reason=StopReason.USER), FINISHED)
        if loop.step != looker.best[0]:  # somebody may want more of it: then it goes on from its end
            looker.checkpoint(loop.position, "last")
        looker.paint_end(loop.position)
        looker.close(DRAIN_SECONDS)
        best = looker.restore_best()
        is_kept = best is None or best.id in Store(self._job.store).checkpoints(self.run.id)
        test = self._measure_test(best, training) if best is not None else None
        self.run.finish(message=None if is_kept else NOT_KEPT, test=test, seconds=REPORT_SECONDS)
        return FINISHED

    def _measure_test(self, best: State, training: Training) -> TestResult | None:
        """Measure the test set at the restored best: once, and nothing is chosen by it."""
        if training.test is None:
            return None
        measured = Ruler(training.test).measure(training.model)
        _log.info("Test set at step %d: %s", best.step, measured.values)
        n = measured.n if measured.n is not None else walk_and_count(training.test)
        return TestResult(step=best.step, n=n, values=measured.values, checkpoint=best.id)

    def _describe(self, error: BaseException) -> RunError:
        """A user's code is shown its own frames; a recipe of ours shows them all."""
        if isinstance(self._spec.source, CodeSource):
            return usercode.describe_error(error, self._folder.code)
        return values.describe_error(error)

    def _fail(self, error: RunError) -> int:
        self.run.report(error=error)
        message = error.message[:2000]
        release = Release(outcome="failed", stop_reason=StopReason.ERROR, stop_message=message, error=error)
        return self._end(release, FAILED)

    def _leave(self) -> int:
        return self._end(Release(outcome="handed_back", stop_message="The worker left."), HANDED_BACK)

    def _end(self, release: Release, code: int) -> int:
        self.run.end(release, seconds=REPORT_SECONDS)
        return code

    def _note_loss(self, error: KeepbestError) -> None:
        """The run is somebody else's now: stop as soon as possible. The agent learns it by itself."""
        _log.error("The run is no longer ours: %s", error.message)
        self._is_lost = True
        self.hand_back.set()


def build_model(training: Training) -> None:
    """Give a model that was made without an input shape its variables, by one example of its validation data."""
    if training.model.built:
        return
    import keras

    example = first_input(training.validation)
    training.model(keras.tree.map_structure(lambda leaf: leaf[:1], example))
