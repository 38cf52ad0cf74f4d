"""Restores into the user's own network: builds it, compares it with the checkpoint, and fills variables that fit."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.rebuild import complete
from keepbest.cli.common.output import Table, print_json, print_table, say
from keepbest.cli.runs.entry_point import Entry, find_entry
from keepbest.cli.runs.signature import Signature, parse_settings, read_signature
from keepbest.contract.runs import RunSpec
from keepbest.errors import InvalidInput, KeepbestError, NotFound
from keepbest.snapshots.state import VariableSpec
from keepbest.training.spec import Training, build_model


@dataclass(frozen=True)
class Target:
    """The user's network: FILE.keras, or a function of FILE.py that returns a model or a Training.

    The function gets those parameters of the run that it takes; `settings` replace them.
    """

    source: str
    settings: Sequence[str] = ()
    maps: Sequence[str] = ()
    partial: bool = False
    run: RunSpec | None = None

    def build(self, inputs: Inputs | None = None) -> Any:
        """Return the model with its variables. This runs the user's own file, on the user's own machine.

        A model that is not built yet is called once with `inputs`, the inputs of the run's network.
        """
        if self.source.endswith(".keras"):
            path = Path(self.source)
            if not path.is_file():
                raise NotFound(f"There is no file {path}.", field="into")
            import keras

            return keras.models.load_model(path)
        entry = find_entry(self.source, None)
        if entry is None:
            raise InvalidInput(f"{self.source} is neither a .py nor a .keras file.", field="into")
        owner = f"{entry.file.name}:{entry.function}"
        parameters = self._choose(read_signature(entry.file, entry.function, entry.root), owner)
        try:
            return _call(entry, parameters, inputs, self.run.seed if self.run is not None else 0)
        except KeepbestError:
            raise
        except Exception as error:  # whatever the user's code raises
            raise KeepbestError(f"{owner} raised {type(error).__name__}: {error}") from error

    @property
    def renames(self) -> dict[str, str]:
        pairs = [text.partition("=") for text in self.maps]
        for old, _, new in pairs:
            if not old or not new:
                raise InvalidInput("--map takes OLD=NEW, two names of a variable or of a layer.", field="map")
        return {old: new for old, _, new in pairs}

    def fill(self, loaded: Loaded) -> tuple[Any, RestorePlan]:
        """Return the built model and the plan; raises CheckpointMismatch if the checkpoint does not fill the model."""
        model = self.build(loaded.manifest.inputs)
        return model, self.plan(loaded, model)

    def plan(self, loaded: Loaded, model: Any) -> RestorePlan:
        """Return the plan for a model that was built before; raises CheckpointMismatch as `fill` does."""
        plan = loaded.plan(model, self.renames)
        plan.check(partial=self.partial)
        return plan

    def _choose(self, signature: Signature, owner: str) -> dict[str, Any]:
        """Return the function's parameters: the run's, replaced by `settings`."""
        known = {parameter.name for parameter in signature.parameters}
        given: dict[str, Any] = {}
        if self.run is not None:
            given = {"data": self.run.data} if self.run.data is not None and "data" in known else {}
            takes = self.run.parameters.items()
            given |= {name: value for name, value in takes if name in known or signature.takes_any}
        ours = [
            item.model_copy(update={"required": item.required and item.name not in given})
            for item in signature.parameters
        ]
        return given | parse_settings(self.settings, replace(signature, parameters=tuple(ours)), owner)


def _call(entry: Entry, parameters: Mapping[str, Any], inputs: Inputs | None, seed: int) -> Any:
    """Call the function and build its model as a worker's trainer does."""
    import keras

    keras.utils.set_random_seed(seed)
    sys.path.insert(0, str(entry.root.absolute()))
    try:
        built = getattr(_import(entry), entry.function)(**parameters)
        if hasattr(built, "variables"):
            complete(built, inputs)
            return built
        training = Training.of(built)
        build_model(training)
        return training.model
    finally:
        sys.path.remove(str(entry.root.absolute()))


def _import(entry: Entry) -> ModuleType:
    """Import the file under its module name from the sent folder, within its package if it is in one."""
    name = entry.inside.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    if "." in name or entry.file.name == "__init__.py":
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, entry.file)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{entry.file} cannot be imported.", field="into")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def show_plan(plan: RestorePlan, as_json: bool) -> None:
    """Print which variable of the checkpoint goes into which of the model."""
    if as_json:
        rows = [{"kind": row.kind, "checkpoint": _json(row.mine), "model": _json(row.theirs)} for row in plan.rows]
        print_json({"checkpoint": plan.checkpoint, "same": plan.is_same, "variables": rows})
        return
    table = Table(("", "in the checkpoint", "in the model"), empty="Neither checkpoint nor model has a variable.")
    for row in plan.rows:
        table.add(row.kind, _render(row.mine), _render(row.theirs))
    print_table(table)
    taken = sum(row.fits for row in plan.rows)
    more = "" if plan.is_same else " --partial restores these; --map OLD=NEW joins variables with different names."
    say(f"{taken} of {len(plan.rows)} variables fit.{more}")


def _json(spec: VariableSpec | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    return {"name": f"{spec.collection}/{spec.path}", "shape": list(spec.shape), "dtype": spec.dtype}


def _render(spec: VariableSpec | None) -> str:
    return "-" if spec is None else f"{spec.collection}/{spec.path} {list(spec.shape)} {spec.dtype}"
