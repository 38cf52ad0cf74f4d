"""Writes a checkpoint's network to files and checks it: in this process, or in a new one to run the run's code."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepbest.checkpoint import examples
from keepbest.checkpoint.export import export, path_of
from keepbest.checkpoint.fetch import opened
from keepbest.checkpoint.plan import RestorePlan
from keepbest.checkpoint.rebuild import LAMBDA, undescribed
from keepbest.checkpoint.store import Store
from keepbest.cli.checkpoints.fresh_process import ask_fresh, need_tensorflow
from keepbest.cli.checkpoints.partial import Target
from keepbest.cli.common.output import hushed, warn
from keepbest.cli.common.run_source import Located
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.restores import CheckResult, Format, RestoreJob
from keepbest.contract.runs import CodeSource, RecipeSource, RunSpec
from keepbest.errors import NetworkUnknown
from keepbest.settings import Settings

NEEDS_TENSORFLOW: frozenset[Format] = frozenset({"keras", "weights", "tf", "savedmodel"})


@dataclass
class Rebuilding:
    """Puts one checkpoint into a network: the user's own (`target`), else the run's."""

    found: Located
    chosen: Checkpoint
    settings: Settings
    form: Format = "keras"
    target: Target | None = None
    partial: bool = False
    allow_code: bool = False
    data: Path | None = None
    #: Whether the run's own code must build the network, because the store's description does not suffice.
    by_code: bool = False

    def write(self, to: Path) -> Path:
        """Write the checkpoint into the folder `to`, from the store here or from the tracker; return the file.

        Raises NetworkUnknown if neither the description nor the run's code gives the network.
        """
        if self.form in NEEDS_TENSORFLOW:
            need_tensorflow(f"--as {self.form}", "`--as safetensors` and `--as npz` work without")
        texts = list[str]()
        with opened(self.found.source, self.chosen, self.settings.store) as store:
            try:
                with hushed():
                    path, plan = self._write_here(store, to, texts)
            except NetworkUnknown as error:
                self._turn_to_code(error)
                answer = self._ask(self._job("write", store, to=str(to.absolute())))
                path, plan, texts = path_of(to, self.form), None, answer["messages"]
        for text in texts:
            warn(text)
        if plan is not None and not plan.is_same:
            warn(f"{plan.fitting[0]} of {plan.fitting[1]} variables of the network are restored.")
        return path

    def check(self, path: Path | None, tolerance: float | None) -> CheckResult:
        """Compare the predictions of `path` (else of the checkpoint) with the recorded ones, in a fresh process.

        Raises NotFound if the checkpoint has no examples.
        """
        need_tensorflow("--check", "run it where the model can be built")
        with opened(self.found.source, self.chosen, self.settings.store) as store:
            manifest, _ = store.read_manifest(self.chosen.run, self.chosen.id)
            examples.read(store.folder, manifest)  # raises before a new process starts
            if manifest.network is None and self.target is None and not self.by_code:
                self._turn_to_code(undescribed())
            file = str(path.absolute()) if path is not None else None
            warn("Checking the restored network in a fresh process …")
            try:
                fields = self._ask(self._job("check", store, path=file, tolerance=tolerance))
            except NetworkUnknown as error:
                self._turn_to_code(error)
                fields = self._ask(self._job("check", store, path=file, tolerance=tolerance))
        return CheckResult.model_validate(fields)

    def _write_here(self, store: Store, to: Path, texts: list[str]) -> tuple[Path, RestorePlan | None]:
        loaded = store.load(self.chosen.run, self.chosen.id)
        model, plan = self.target.fill(loaded) if self.target is not None else (None, None)
        more: dict[str, Any] = {"partial": self.partial, "allow_code": self.allow_code, "say": texts.append}
        return export(store, loaded, to, self.form, model=model, plan=plan, **more), plan

    def _turn_to_code(self, error: NetworkUnknown) -> None:
        """Switch to the run's own code, with a warning; raise `error` if the code cannot or must not run."""
        spec = self._spec
        if spec is None or self.target is not None or self.by_code or (error.field == LAMBDA and not self.allow_code):
            raise error
        what = f"{spec.source.entry} of its bundle" if isinstance(spec.source, CodeSource) else "its recipe"
        warn(f"{error.message} Running the run's own code, {what}, in a fresh process …")
        self.by_code = True

    @property
    def _spec(self) -> RunSpec | None:
        """The run's spec, if it says how to build the network."""
        run = self.found.run
        return run.spec if run is not None and isinstance(run.spec.source, CodeSource | RecipeSource) else None

    def _job(self, task: str, store: Store, **more: Any) -> RestoreJob:
        given: dict[str, Any] = {}
        if self.target is not None:
            given = {"settings": list(self.target.settings), "maps": list(self.target.maps)}
            given |= {"spec": self.target.run, "into": _absolute(self.target.source)}
        known = {"run": self.chosen.run, "checkpoint": self.chosen.id, "form": self.form, "by_code": self.by_code}
        known |= {"partial": self.partial}
        fields = {"task": task, "store": str(store.folder.root.absolute()), "allow_code": self.allow_code}
        return RestoreJob.model_validate({**fields, **known, **given, **more})

    def _ask(self, job: RestoreJob) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
            return ask_fresh(Path(folder), self.settings, self.data, "worker.checks.restored", job.model_dump_json())


def _absolute(source: str) -> str:
    """Return FILE.py:FUNCTION with the file's absolute path; the dotted name of a module stays."""
    file, colon, function = source.partition(":")
    return f"{Path(file).absolute()}{colon}{function}" if Path(file).exists() else source
