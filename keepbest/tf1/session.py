"""Keeps the best state of a `tf.compat.v1` session: a loop whose variables are those of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from keepbest.checkpoint import Manifest, Store, choose
from keepbest.checkpoint.restore import open_store
from keepbest.contract.base import new_id
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput
from keepbest.journal.values import MAX_STEP
from keepbest.loop import Loop
from keepbest.stopping import Mode
from keepbest.tf1.variables import GraphVariables
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper

#: The stopper of a session without a run of `keepbest.init`: the user's code decides when to stop.
_NEVER = {"name": "max_steps", "params": {"steps": MAX_STEP}}


class Session(Loop):
    """Keep the best state of a `tf.compat.v1.Session`, and roll back to it.

    A state is every variable and the random states of Python and NumPy, under one id. Make this object after the whole
    graph, optimizer included. It adds nothing to the graph, so the graph may be finalised. A state does not hold the
    hidden counters of TensorFlow's random operations, nor the positions of input pipelines.

    With a run of `keepbest.init` it is a `Loop`: the run's stopper judges validations and records them, a background
    thread writes each best, commands are obeyed, and a run that an earlier process began goes on. Without a run, `keep`
    keeps the best in memory, and `checkpoint` writes it to the disk.

    Args:
        sess: The session whose variables are kept.
        variables: Keep only these (default: all global variables).
        mode: "min" or "max": which way the value gets better; a run of `keepbest.init` may know.
        monitor: The name of the value, for the record.
        run: The run that `keepbest.init` returned, or the id of the run of the checkpoints (default: a new one).
        store: Folder of the checkpoints (default: KEEPBEST_STORE); the first checkpoint makes it.
        retention: Which of the run's checkpoints stay (default: the best one and the last one).
        carry: NumPy generators (`np.random.default_rng()`) whose state belongs into every snapshot.

    Raises:
        InvalidInput: `mode` is neither "min" nor "max".

    Example:
        >>> import keepbest, tensorflow as tf
        >>> with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        ...     w = tf.compat.v1.get_variable("w", [1], initializer=tf.compat.v1.zeros_initializer())
        ...     sess.run(tf.compat.v1.global_variables_initializer())
        ...     best = keepbest.Session(sess, mode="min", store=False)
        ...     is_best = best.keep(100, 0.5)
        ...     w.load([9.0], sess)
        ...     step = best.roll_back()
        ...     print(is_best, sess.run(w))
        True [0.]
    """

    def __init__(
        self,
        sess: Any,
        variables: Sequence[Any] | None = None,
        *,
        mode: Mode | None = None,
        monitor: str | None = None,
        run: Run | str | None = None,
        store: Store | Path | str | Literal[False] | None = None,
        retention: RetentionSpec | None = None,
        carry: Sequence[Any] = (),
    ) -> None:
        if mode not in ("min", "max", None):
            raise InvalidInput(f"mode is one of min, max, but got {mode!r}.", field="mode")
        is_tracked = isinstance(run, Run)
        if not isinstance(run, Run):
            run = Run(run or new_id(), Stopper(_NEVER, mode), monitor=monitor or "value")
        elif mode is not None:
            run.set_mode(mode)
        kept = GraphVariables(sess, variables)
        options: dict[str, Any] = {"resume": is_tracked, "writes_bests": is_tracked, "carry": carry}
        super().__init__(run, kept, store=store, retention=retention, **options)

    def keep(self, step: int, value: float) -> bool:
        """Keep the present state if `value` is the best so far; return whether it is. A NaN is never the best."""
        if step < 0:
            raise InvalidInput(f"A step is 0 or more, but got {step}.", field="step")
        return self.report_validation(step, value).improved

    def checkpoint(self, step: int | None = None) -> Manifest:
        """Write the best state to the disk, or the present one under the number `step`; it is durable afterwards.

        Raises:
            NotFound: There is no `step`, and no state was kept yet.
            StoreUnavailable: The disk is full, read-only or gone.
        """
        return super().checkpoint(step) if step is not None else self.keeper.write_best()

    def restore(self, *, step: int | None = None, checkpoint: str | None = None, last: bool = False) -> Manifest:
        """Put a checkpoint of the run back, the best one if none is named; in any process, before or after `keep`.

        From here on only a value better than that of the store's best counts as the best.

        Raises:
            NotFound: The run has no such checkpoint.
            CheckpointDamaged: The checkpoint is not what was written.
            CheckpointMismatch: Its variables are not the graph's; the message names every difference.
        """
        store = open_store(self.keeper.store)
        manifest = choose(store, self.run.id, step=step, checkpoint=checkpoint, last=last)
        self.roll_back(checkpoint=manifest.id)
        best = choose(store, self.run.id, best=True)
        if best.mode == self.run.stopper.policy.mode:
            self.run.stopper.remember_best(best.step, best.value)
        return manifest
