"""Restoring into a network of the user's own: built here, compared with the checkpoint, filled as far as was asked."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.plan import Plan
from keepbest.cli.output import Table, print_json, print_table, say
from keepbest.cli.signature import parse_settings, read_signature
from keepbest.errors import InvalidInput, KeepbestError, NotFound
from keepbest.snapshots.state import VariableSpec
from keepbest.training import Training


@dataclass(frozen=True)
class Target:
    """The network that is meant: FILE.keras, or a function of FILE.py that returns a model or a Training."""

    source: str
    settings: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    partial: bool = False

    def build(self) -> Any:
        """Return the model. A function's file is run: it is the user's own, on the user's own machine."""
        name, _, function = self.source.partition(":")
        path = Path(name)
        if path.suffix == ".py":
            return _call(path, function or "build", self.settings)
        if path.suffix != ".keras":
            raise InvalidInput(f"{name} is neither a .py nor a .keras file.", field="into")
        if not path.is_file():
            raise NotFound(f"There is no file {name}.", field="into")
        import keras

        return keras.models.load_model(path)

    @property
    def renames(self) -> dict[str, str]:
        pairs = [text.partition("=") for text in self.maps]
        for old, _, new in pairs:
            if not old or not new:
                raise InvalidInput("--map is OLD=NEW, the names of a variable or of a layer.", field="map")
        return {old: new for old, _, new in pairs}

    def fill(self, loaded: Loaded) -> tuple[Any, Plan]:
        """Return the model, as it was built, and the plan; raises CheckpointMismatch where it asks for too much."""
        model = self.build()
        plan = loaded.plan(model, self.renames)
        plan.check(partial=self.partial)
        return model, plan


def _call(path: Path, function: str, settings: list[str]) -> Any:
    parameters = parse_settings(settings, read_signature(path, function), f"{path.name}:{function}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{path} cannot be imported.", field="into")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        spec.loader.exec_module(module)
        built = getattr(module, function)(**parameters)
    except Exception as error:  # whatever the user's code raises
        raise KeepbestError(f"{path.name}:{function} raised {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.absolute()))
    return built if hasattr(built, "variables") else Training.of(built).model


def show_plan(plan: Plan, as_json: bool) -> None:
    """Print the table: what of the checkpoint goes where."""
    if as_json:
        rows = [{"kind": row.kind, "checkpoint": _told(row.mine), "model": _told(row.theirs)} for row in plan.rows]
        print_json({"checkpoint": plan.checkpoint, "same": plan.is_same, "variables": rows})
        return
    table = Table(("", "in the checkpoint", "in the model"), empty="Neither has a variable.")
    for row in plan.rows:
        table.add(row.kind, _words(row.mine), _words(row.theirs))
    print_table(table)
    taken = sum(row.fits for row in plan.rows)
    more = "" if plan.is_same else " --partial takes them, and --map OLD=NEW says what else belongs together."
    say(f"{taken} of {len(plan.rows)} variables fit.{more}")


def _told(spec: VariableSpec | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    return {"name": f"{spec.collection}/{spec.path}", "shape": list(spec.shape), "dtype": spec.dtype}


def _words(spec: VariableSpec | None) -> str:
    return "-" if spec is None else f"{spec.collection}/{spec.path} {list(spec.shape)} {spec.dtype}"
