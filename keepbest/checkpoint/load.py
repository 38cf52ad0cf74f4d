"""Loads a checkpoint: reads the bytes, checks their digests, and puts them into a model.

`pread` reads the values into memory of our own, several at once. keepbest checks them there and gives them to
TensorFlow without another copy. So the model gets exactly the checked bytes, even if the file changes meanwhile; a
memory-mapped file could change between the check and the copy.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from keepbest.checkpoint.files import pack
from keepbest.checkpoint.files.dtypes import numpy_dtype
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.late_layers import build_late
from keepbest.checkpoint.manifest import Manifest, StoredVariable
from keepbest.checkpoint.plan import RestorePlan, make_plan
from keepbest.checkpoint.upgrade import advise, describe_lost, to_present
from keepbest.errors import CheckpointDamaged, CheckpointIncomplete
from keepbest.snapshots.averages import find_used
from keepbest.snapshots.compare import Difference, compare, refuse
from keepbest.snapshots.loss_scale import fit_scale
from keepbest.snapshots.missing import Missing
from keepbest.snapshots.randomness import restore_random
from keepbest.snapshots.snapshot import ModelVariables, specs_for
from keepbest.snapshots.state import BESIDE, VARIABLES, State, VariableSpec

_log = logging.getLogger("keepbest")

#: The alignment that TensorFlow needs to use a buffer in place.
_ALIGNMENT = 64


@dataclass(frozen=True)
class _Source:
    """An open pack, and the offset and bytes of each value in it."""

    descriptor: int
    places: Mapping[str, tuple[int, int]]


class Loaded:
    """A checkpoint in memory, every digest checked."""

    def __init__(self, manifest: Manifest, arrays: Sequence[Any]) -> None:
        self.manifest = manifest
        self._arrays: Sequence[Any] | None = arrays
        self._tensors: tuple[Any, ...] = ()

    @property
    def step(self) -> int:
        return self.manifest.step

    @property
    def specs(self) -> tuple[VariableSpec, ...]:
        return to_present([variable.spec for variable in self.manifest.variables])

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The values as read-only NumPy arrays, in the order of the manifest's variables."""
        if self._arrays is None:
            import numpy as np

            return tuple(_read_only(np.asarray(tensor)) for tensor in self._tensors)
        # Copies, because TensorFlow may later take over the originals and train in them.
        return tuple(_read_only(array.copy()) for array in self._arrays)

    @property
    def tensors(self) -> tuple[Any, ...]:
        """The values as tensors, in the order of the manifest's variables."""
        if self._arrays is not None:
            self._tensors, self._arrays = tuple(_to_tensor(array) for array in self._arrays), None
        return self._tensors

    def to_state(self, *, as_tensors: bool = True) -> State:
        """Return the state that was written, with the same id; in a graph, with arrays for tensors."""
        manifest, values = self.manifest, self.tensors if as_tensors else self.arrays
        decided = (manifest.stopper, manifest.random, manifest.id, manifest.callbacks, manifest.averages)
        return State(manifest.position, self.specs, values, *decided, missing=manifest.missing)

    def plan(self, model: Any, renames: Mapping[str, str] | None = None) -> RestorePlan:
        """Return what restoring into `model` would do with each variable, without setting any."""
        theirs = specs_for(model, self.specs)
        return make_plan(self.manifest.id, list(self.offer(theirs)), theirs, renames)

    def offer(self, theirs: Sequence[VariableSpec]) -> dict[VariableSpec, int]:
        """Return the variables that a model of `theirs` gets for use, each with the place of its value."""
        return find_used(self.specs, self.manifest.averages, theirs)

    def load_into(
        self,
        model: Any,
        *,
        strict: bool = True,
        variables: ModelVariables | None = None,
        plan: RestorePlan | None = None,
        raw: bool = False,
        network_only: bool = False,
    ) -> list[Difference]:
        """Put the checkpoint into `model` and its optimizers; return the variables that did not fit.

        A model without an optimizer takes the network alone, and with `network_only` every model does. `strict=False`
        takes the variables that fit and leaves the others as they are. A `plan` made for this model says which value
        goes into which variable. If the run measured averages of the weights, the model gets the averages; `raw` gives
        it the values with which training goes on.

        Raises:
            CheckpointMismatch: `strict`, and the model, which stays as it is, differs; the message names every
                difference.
            CheckpointIncomplete: `strict`, and keepbest could not capture a part of the state, which the message names.
        """
        target = variables or ModelVariables(model)
        if strict and self.manifest.missing:
            raise self._refuse_incomplete(self.manifest.missing)
        build_late(target, self.manifest)
        if not network_only:
            target.build_for(self.specs)
        offered, theirs = self._fit(target, raw=raw, network_only=network_only)
        differences = [] if plan is not None else compare(list(offered), theirs)
        if strict and differences:
            raise refuse(differences, self.manifest.id, advise(differences) if self.manifest.is_older else None)
        if plan is not None:
            homes = {_place(row.mine): _place(row.theirs) for row in plan.rows if row.fits and row.mine and row.theirs}
        else:
            unfit = {(difference.collection, difference.index) for difference in differences}
            homes = {_place(spec): _place(spec) for spec in offered if _place(spec) not in unfit}
        targets = {_place(spec): number for number, spec in enumerate(target.specs)}
        chosen = {
            targets[homes[_place(spec)]]: self.tensors[place]
            for spec, place in offered.items()
            if homes.get(_place(spec)) in targets
        }
        beside = [pair for pair in zip(self.specs, self.tensors, strict=True) if pair[0].collection in BESIDE]
        entries = target.choose_beside(beside, self.manifest.id, strict=strict)
        target.put_beside(entries, lambda: target.assign(chosen))
        if self.manifest.is_older and (lost := describe_lost(self.specs, target.optimizers)):
            _log.warning("keepbest: Checkpoint %s: %s", self.manifest.id, lost)
        return differences

    def _fit(
        self, target: ModelVariables, *, raw: bool, network_only: bool
    ) -> tuple[dict[VariableSpec, int], list[VariableSpec]]:
        """Return the checkpoint's variables, each with the place of its value, and the model's, for the comparison."""
        every = {spec: place for place, spec in enumerate(self.specs)} if raw else self.offer(target.specs)
        wanted = ("model",) if network_only else VARIABLES
        variables = {spec: place for spec, place in every.items() if spec.collection in wanted}
        return fit_scale(variables, [spec for spec in target.specs if spec.collection in wanted])

    def _refuse_incomplete(self, missing: Sequence[Missing]) -> CheckpointIncomplete:
        return CheckpointIncomplete(
            f"Checkpoint {self.manifest.id} is incomplete, without {missing[0]}"
            + (f" And {len(missing) - 1} more." if len(missing) > 1 else ""),
            hint="No training can go on from it. To restore the rest: partial=True, or "
            f"`keepbest restore {self.manifest.run} --checkpoint {self.manifest.id} --partial --to DIR`.",
        )

    def resume_into(self, model: Any, *, variables: ModelVariables | None = None, network_only: bool = False) -> State:
        """Put values and random states back, so that training goes on as if it had never stopped.

        With `network_only` the optimizers stay as they are, and may be others than the run's.
        """
        self.load_into(model, variables=variables, raw=True, network_only=network_only)
        restore_random(self.manifest.random)
        return self.to_state()


def _place(spec: VariableSpec) -> tuple[str, int]:
    return spec.collection, spec.index


def read(folder: Folder, manifest: Manifest, threads: int) -> Loaded:
    """Read and check every value of `manifest`.

    Raises:
        CheckpointDamaged: A value, a header or a whole pack is not what was written; the message names the variable.
    """
    return Loaded(manifest, _read_values(folder, manifest, manifest.variables, threads, keep=True))


def is_whole(folder: Folder, manifest: Manifest, threads: int) -> bool:
    """Whether every value of `manifest` is what was written."""
    try:
        _read_values(folder, manifest, manifest.stored, threads, keep=False)
    except CheckpointDamaged:
        return False
    return True


def iterate(folder: Folder, manifest: Manifest, variables: Sequence[StoredVariable]) -> Iterator[Any]:
    """Yield the checked values of some variables, one at a time, so that memory holds only one.

    Raises CheckpointDamaged as `read` does.
    """
    with ExitStack() as stack:
        names = {variable.object for variable in variables}
        sources = {name: _open(stack, folder, name, manifest) for name in names}
        for variable in variables:
            yield _read_value(sources[variable.object], variable)


def check_places(folder: Folder, manifest: Manifest) -> None:
    """Raise CheckpointDamaged if a pack lacks a value that `manifest` names; reads no value."""
    with ExitStack() as stack:
        sources = {name: _open(stack, folder, name, manifest) for name in manifest.objects}
        for variable in manifest.stored:
            if sources[variable.object].places.get(variable.digest, (0, -1))[1] != variable.size_bytes:
                raise CheckpointDamaged(f"Variable {variable.spec.name} is not in object {variable.object[:12]}.")


def _read_values(
    folder: Folder, manifest: Manifest, wanted: Sequence[StoredVariable], threads: int, *, keep: bool
) -> list[Any]:
    def fetch(variable: StoredVariable) -> Any:
        array = _read_value(sources[variable.object], variable)
        return array if keep else None

    with ExitStack() as stack:
        sources = {
            name: _open(stack, folder, name, manifest)
            for name in {stored_variable.object for stored_variable in wanted}
        }
        with ThreadPoolExecutor(threads, thread_name_prefix="keepbest-load") as pool:
            return list(pool.map(fetch, wanted))


def _open(stack: ExitStack, folder: Folder, name: str, manifest: Manifest) -> _Source:
    path = folder.content(name)
    try:
        descriptor = os.open(path, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        places, size = pack.read_header(descriptor, name)
    except FileNotFoundError as error:
        raise CheckpointDamaged(f"{_whose(name, manifest)}: its object {name[:12]} is missing.") from error
    except OSError as error:
        raise CheckpointDamaged(f"{_whose(name, manifest)}: its object {name[:12]}: {error.strerror}.") from error
    except CheckpointDamaged as error:
        raise CheckpointDamaged(f"{_whose(name, manifest)}: {error.message}") from error
    if os.fstat(descriptor).st_size != size:
        raise CheckpointDamaged(f"{_whose(name, manifest)}: its object {name[:12]} was cut short or added to.")
    return _Source(descriptor, places)


def _read_value(source: _Source, variable: StoredVariable) -> Any:
    offset, count = source.places.get(variable.digest, (0, -1))
    data = _aligned(variable.size_bytes)
    try:
        whole = count == len(data) and _read_all(source.descriptor, data, offset)
    except OSError:
        whole = False
    if not whole or pack.digest_of(variable.dtype, variable.shape, data) != variable.digest:
        raise CheckpointDamaged(
            f"Variable {variable.spec.name} is not what was written: its digest differs "
            f"(object {variable.object[:12]})."
        )
    return data.view(numpy_dtype(variable.dtype)).reshape(variable.shape)


def _read_all(descriptor: int, data: Any, offset: int) -> bool:
    done = 0
    while done < len(data):
        count = os.preadv(descriptor, [data[done:]], offset + done)
        if count == 0:
            return False
        done += count
    return True


def _aligned(size_bytes: int) -> Any:
    import numpy as np

    raw = np.empty(size_bytes + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size_bytes]


def _to_tensor(array: Any) -> Any:
    """Return a tensor in the memory of `array`, which the caller must not use any more."""
    import tensorflow as tf

    try:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    except (BufferError, TypeError, ValueError, RuntimeError, tf.errors.OpError):
        return tf.constant(array)  # a type that NumPy cannot hand over, such as bfloat16


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _whose(name: str, manifest: Manifest) -> str:
    first = next(variable for variable in manifest.stored if variable.object == name)
    count = sum(variable.object == name for variable in manifest.stored)
    return f"Variable {first.spec.name}" + (f" and {count - 1} more" if count > 1 else "")
