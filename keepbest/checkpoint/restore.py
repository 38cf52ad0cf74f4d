"""Restores a run's checkpoint into a model, in any process."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keepbest import settings
from keepbest.checkpoint.check import check_network, make_mismatch
from keepbest.checkpoint.checkpoint import Checkpoint
from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.rebuild import fill, rebuild
from keepbest.checkpoint.store import Store
from keepbest.checkpoint.writer import wait_for_writers
from keepbest.client.client import Client
from keepbest.contract.aliases import checkpoint_of
from keepbest.errors import InvalidInput, NotFound
from keepbest.stopping.validation import is_better


def restore(
    run: Any,
    model: Any = None,
    *,
    best: bool = False,
    step: int | None = None,
    checkpoint: str | None = None,
    last: bool = False,
    partial: bool = False,
    renames: Mapping[str, str] | None = None,
    allow_code: bool = False,
    check: bool = False,
    store: Store | Path | str | None = None,
) -> Any:
    """Put a checkpoint of a run into a model and return the model.

    Without `best`, `step`, `checkpoint` or `last` this is the checkpoint that the run's selector chose, else the best.

    Args:
        run: A run, or its id; or an alias of a project, as "digits@champion", which the tracker is asked for.
        model: A Keras model, a `tf.Module`, or a dict or list of variables. Without a model, keepbest rebuilds the
            network from its stored description: register classes of your own with
            `keras.saving.register_keras_serializable`. With a loss or metric that this process does not know, or an
            optimizer that differs, the network stays uncompiled, with a warning. A model without an optimizer takes
            the network alone.
        best: The validation with the best value, whatever was selected.
        step: The newest checkpoint of this step.
        checkpoint: The checkpoint with this id.
        last: The newest checkpoint.
        partial: Restore the variables that fit and leave the others as they are; `plan_restore` shows which fit.
        renames: Other names in the model: `{"dense/kernel": "head/kernel"}`, or only the first parts of the names.
        allow_code: Run the code of Lambda layers that the run stored.
        check: Compare the model's predictions with those recorded for the checkpoint's examples
            (`KeepBest(keep_examples=8)`, `submit --keep-examples 8`).
        store: Folder of the checkpoints (default: KEEPBEST_STORE).

    Returns:
        `model`, or the rebuilt network.

    Raises:
        NotFound: The run has no such checkpoint here, or the checkpoint has no examples to check.
        NetworkUnknown: There is no `model`, and keepbest cannot rebuild the network here.
        CheckpointDamaged: A value of the checkpoint is not what was written.
        CheckpointMismatch: The checkpoint does not fit the model, and the message names every difference; or the
            predictions of the checked model are not the recorded ones.

    Example:
        >>> import keepbest, tensorflow as tf
        >>> with keepbest.init(mode="max") as run:
        ...     decision = keepbest.Loop(run, {"w": tf.Variable([1.0])}).report_validation(100, 0.9)
        >>> w = tf.Variable([0.0])
        >>> restored = keepbest.restore(run, {"w": w})
        >>> float(w[0])
        1.0
    """
    result = find(run, store, best=best, step=step, checkpoint=checkpoint, last=last)
    target = model if model is not None else rebuild(result.store, result.manifest, allow_code=allow_code)
    load = functools.partial(result.load_into, target, partial=partial, renames=renames)
    if model is None:
        fill(target, load)
    else:
        load()
    if check:
        compared = check_network(result.store, result.manifest, target)
        if not compared.is_within:
            raise make_mismatch(compared, result.id)
    return target


def plan_restore(
    run: Any,
    model: Any,
    *,
    best: bool = False,
    step: int | None = None,
    checkpoint: str | None = None,
    last: bool = False,
    renames: Mapping[str, str] | None = None,
    store: Store | Path | str | None = None,
) -> RestorePlan:
    """Return what `restore` with the same arguments would do with each variable; `model` stays as it is."""
    result = find(run, store, best=best, step=step, checkpoint=checkpoint, last=last)
    return result.plan(model, renames)


def checkpoints(run: Any, *, store: Store | Path | str | None = None) -> list[Checkpoint]:
    """Return the checkpoints of `run` (a run or its id) that lie in the store, oldest first."""
    opened, run_id = open_store(store), str(getattr(run, "id", run))
    wait_for_writers(run_id)
    return [Checkpoint(manifest, opened) for manifest in opened.manifests(run_id)]


def find(run: Any, store: Store | Path | str | None, **choice: Any) -> Checkpoint:
    """Return the checkpoint that a run and a choice, or an alias, mean; raises NotFound where it is not here."""
    opened, run_id = open_store(store), str(getattr(run, "id", run))
    if "@" in run_id:
        run_id, choice["checkpoint"] = _ask_for(run_id, choice)
    wait_for_writers(run_id)
    return Checkpoint(choose(opened, run_id, **choice), opened)


def _ask_for(alias: str, choice: Mapping[str, Any]) -> tuple[str, str]:
    """Return run and checkpoint of an alias; raises InvalidInput where another choice was made, too."""
    if any(value not in (None, False) for value in choice.values()):
        raise InvalidInput(f"{alias} names a checkpoint: leave out best, last, step and checkpoint.", field="run")
    with Client() as client:
        return checkpoint_of(client.alias(alias))


def choose(
    store: Store,
    run: str,
    *,
    best: bool = False,
    step: int | None = None,
    checkpoint: str | None = None,
    last: bool = False,
) -> Manifest:
    """Return the manifest of a checkpoint: by its id, the newest of a step, the newest, or the best.

    Without a choice, this is the checkpoint that the run's selector chose, else the best.
    """
    if checkpoint is None and step is None and not (best or last):
        checkpoint = store.folder.selected(run)
    if checkpoint is not None:
        return store.read_manifest(run, checkpoint)[0]
    manifests = [manifest for manifest in store.manifests(run) if manifest.is_trained]
    if step is not None:
        manifests = [manifest for manifest in manifests if manifest.step == step]
    result = manifests[-1] if manifests and (last or step is not None) else find_best(manifests)
    if result is None:
        which = f"of step {step} " if step is not None else ""
        raise NotFound(
            f"Run {run} has no checkpoint {which}in {store.folder.root}.",
            hint=f"`keepbest checkpoints {run}` lists the checkpoints that there are.",
        )
    return result


def open_store(store: Store | Path | str | None) -> Store:
    """Return the store at a path, or the store of the settings if `store` is None."""
    if isinstance(store, Store):
        return store
    if store is not None:
        return Store(store)
    known = settings.load()
    return Store(known.store, notes=known.dir)


def find_best(manifests: Sequence[Manifest]) -> Manifest | None:
    """Return the first manifest with the best value, or the newest if none has a value."""
    best: Manifest | None = None
    for manifest in manifests:
        if manifest.mode is not None and is_better(manifest.value, best.value if best else None, manifest.mode):
            best = manifest
    return best or (manifests[-1] if manifests else None)
