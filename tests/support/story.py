"""A run that is reported through the API as a trainer does: validations judged by the real policy, curves, jumps, an
end.

The browser tests need runs that look real without training one; formulas make its values.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from keepbest.checkpoint import Store
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch
from keepbest.contract.commands import Command
from keepbest.contract.policies import PolicySpec, StopperDecision
from keepbest.contract.runs import Mode, Parameter, Run, RunRequest
from keepbest.contract.workers import Assignment, Claim, RecipeInfo, Release, WorkerRegistration
from keepbest.settings import VERSION
from keepbest.stopping import Policy, Validation, build
from tests.support.processes import wait_until
from tests.support.states import about, make_state

CNN = RecipeInfo(
    name="hvass-cnn",
    summary="the convolutional network of tutorial 003",
    parameters=[
        Parameter(name="learning_rate", type="float", default=1e-4),
        Parameter(name="units", type="int", default=128),
    ],
    data=["digits", "mnist"],
    default_data="digits",
    metrics={"val_accuracy": Mode.MAX, "val_loss": Mode.MIN},
    monitor="val_accuracy",
    stopper=PolicySpec(name="patience", params={"checks": 6, "min_delta": 0.0005}),
    max_steps=10_000,
    validate_every=100,
)
EVERY = 100
EXAMPLES = 360
SIZE = 1_274_880
ENVIRONMENT = {"python": "3.11.9", "keras": "3.15.1", "tensorflow": "2.21.0", "cpu": {"count": 2}}


def now() -> datetime:
    return datetime.now(UTC)


def register_worker(client: Client, name: str = "mill") -> str:
    """Let a worker with the recipe say hello; return its id."""
    about = {"name": name, "host": f"{name}.local", "pid": 4711, "version": VERSION, "slots": 1000}
    worker = WorkerRegistration.model_validate({**about, "id": new_id(), "recipes": [CNN], "labels": {"gpu": "none"}})
    client.register_worker(worker)
    return worker.id


class Story:
    """One run and its trainer."""

    def __init__(self, client: Client, worker: str, *, store: Store | None = None, **asked: Any) -> None:
        self.client, self.worker, self.store = client, worker, store
        source = {"kind": "recipe", "name": CNN.name}
        request = RunRequest.model_validate({"project": "digits", "data": "digits", "source": source, **asked})
        self.run: Run = client.submit(request)
        self.segment = self._claim().next_segment
        self.step = 0
        self.began = now().timestamp()
        self.policy: Policy = build(self.run.spec.stopper.model_dump(), mode="max")
        self.state = self.policy.start()
        self.best: tuple[float, str, int] | None = None
        self.states: dict[str, Any] = {}
        self.decision: StopperDecision | None = None

    @property
    def id(self) -> str:
        return self.run.id

    # What the trainer says

    def tell(self, **said: Any) -> list[Command]:
        """Send one batch; return the commands that came back."""
        self.number += 1
        batch = Batch.model_validate({"writer": self.writer, "number": self.number, **said})
        body = batch.model_dump_json().encode()
        return self.client.post_batch(self.id, body, "application/json", self.lease).commands

    def begin(self) -> Story:
        opened = {"number": self.segment, "reason": "start", "start_step": 0, "at": now()}
        progress = {"step": 0, "mode": "max", "resume": "exact", "environment": ENVIRONMENT, "at": now()}
        self.tell(segments=[opened], progress=progress)
        self.print("Building hvass-cnn on digits: 1149 / 288 / 360 examples\n", "keepbest")
        return self

    def go_on(self) -> Story:
        """Claim the resumed run, and go on where and how the assignment says."""
        assignment = self._claim()
        start = assignment.resume
        assert start is not None
        self.segment = assignment.next_segment
        self.step, self.state, self.decision = start.step, self.states[start.id], None
        place = {"number": self.segment, "parent": assignment.parent_segment, "checkpoint": start.id}
        changed = assignment.overrides and assignment.overrides.model_dump()
        opened = {**place, "reason": "resume", "start_step": start.step, "overrides": changed, "at": now()}
        self.tell(segments=[opened])
        return self

    def advance(self, validations: int, *, value: Any = None, keeps: bool = True) -> Story:
        """Train for so many validations; `value` may give the value at a step, `keeps` whether bests go to disk."""
        for _ in range(validations):
            if self.decision is not None and self.decision.stop:
                break
            self._train_to(self.step + EVERY, value, keeps)
        return self

    def report(self, key: str, steps: list[int], values: list[float]) -> None:
        """Report points of a metric that no validation measures."""
        self.tell(columns=[self._column(key, steps, values)])

    def print(self, text: str, stream: str = "stdout") -> None:
        offset = self.states.setdefault(f"offset {stream}", 0)
        self.states[f"offset {stream}"] = offset + len(text.encode())
        self.tell(logs=[{"stream": stream, "offset": offset, "text": text, "at": now()}])

    def roll_back(self, **overrides: Any) -> Story:
        """Go back to the best and go on changed, as the trainer does when it is told to."""
        assert self.best is not None
        _, checkpoint, step = self.best
        parent, self.segment, self.step = self.segment, self.segment + 1, step
        self.state = self.states[checkpoint]
        opened = {"number": self.segment, "parent": parent, "reason": "roll_back", "checkpoint": checkpoint}
        self.tell(segments=[{**opened, "start_step": step, "overrides": overrides or None, "at": now()}])
        return self

    def withdraw(self, reason: str) -> Story:
        """Withdraw the newest validation: the best, whose network became NaN before it was on disk."""
        assert self.best is not None
        assert self.decision is not None
        value, _, step = self.best
        back = {**self.decision.model_dump(), "improved": False, "wait": 1, "best_value": value, "best_step": step}
        said = {"segment": self.segment, "step": self.step, "value": self.decision.best_value, "reason": reason}
        self.tell(withdrawn=[{**said, "decision": back, "at": now()}])
        return self

    def warn(self, **said: Any) -> None:
        """Report a present problem of the training."""
        self.tell(progress={**said, "at": now()})

    def hold(self, *snapshots: tuple[str, int]) -> Story:
        """Report the snapshots in memory by id and step; the best validation's is marked."""
        best = self.best[1] if self.best else None
        held = [{"id": id, "step": step, "size_bytes": SIZE, "is_best": id == best} for id, step in snapshots]
        memory = {"budget_bytes": 5_700_000_000, "held_bytes": SIZE * len(held), "snapshots": held}
        self.tell(progress={"memory": memory, "at": now()})
        return self

    def drop(self, step: int) -> None:
        """Report that retention dropped the checkpoints of a step."""
        known = self.client.checkpoints(self.id).checkpoints
        self.tell(dropped=[{"id": one.id, "reason": "room", "at": now()} for one in known if one.step == step])

    def wait_for_command(self) -> Command:
        """Return the command that the page has sent."""
        return wait_until(lambda: self.client.commands(self.id, open_only=True).commands, what="a command")[0]

    def answer(self, command: Command, state: str, message: str = "", **result: Any) -> None:
        said = {"state": state, "message": message, "result": result or None}
        self.tell(commands=[{"id": command.id, **said, "at": now()}])

    def finish(self, reason: str = "patience", message: str | None = None) -> Run:
        assert self.best is not None
        value, checkpoint, step = self.best
        said = message or (self.decision.message if self.decision else None)
        values = {"accuracy": value - 0.004, "loss": 0.091}
        test = {"step": step, "n": EXAMPLES, "values": values, "checkpoint": checkpoint}
        return self._release(outcome="finished", stop_reason=reason, stop_message=said, test=test)

    def select(self, value: float) -> str:
        """End with an average of the best and the validation before; return its id."""
        assert self.best is not None
        best, checkpoint, step = self.best
        made, parts = self._tell_of(value, step, "selected"), {checkpoint: step, new_id(): step - EVERY}
        self.tell(checkpoints=[made])
        selection = {
            "selector": {"name": "top_k_average", "params": {"k": 2}}, "checkpoint": made["id"], "step": step,
            "value": value, "best_checkpoint": checkpoint, "best_step": step, "best_value": best,
            "candidates": [{"checkpoint": id, "step": at, "value": best} for id, at in parts.items()],
            "trials": [{"made_of": list(parts), "value": value, "is_kept": True}],
            "message": "an average", "made_of": list(parts),
        }  # fmt: skip
        self._release(outcome="finished", stop_reason="patience", selection=selection)
        return str(made["id"])

    def fail(self, **error: Any) -> Run:
        return self._release(outcome="failed", stop_reason="error", error=error)

    # How it comes about

    def _claim(self) -> Assignment:
        assignment = self.client.claim(Claim(worker=self.worker, run=self.run.id))
        assert assignment is not None, "the tracker has nothing for this worker"
        assert assignment.run.id == self.run.id, "another run was queued before this one"
        self.run, self.lease = assignment.run, assignment.lease.token
        self.writer, self.number = new_id(), 0
        return assignment

    def _release(self, **said: Any) -> Run:
        return self.client.release(self.id, self.lease, Release.model_validate(said))

    def _train_to(self, step: int, value: Any, keeps: bool) -> None:
        steps = list(range(self.step + 10, step + 1, 10))
        self.step = step
        measured = accuracy(step) if value is None else value(step)
        self.state, decided = self.policy.observe(self.state, Validation(step, measured, n=EXAMPLES))
        self.decision = _as_contract(decided)
        checkpoint = self._keep(measured, step) if decided.improved and keeps else None
        pair = {"val_loss": [loss(step) * 1.15], "val_accuracy": [measured]}
        columns = [self._column(key, [step], values) for key, values in pair.items()]
        columns += [self._column("loss", steps, [noisy(loss, at) for at in steps])]
        columns += [self._column("accuracy", steps, [min(1.0, noisy(accuracy, at)) for at in steps])]
        place = {"segment": self.segment, "step": step, "epoch": step / 180, "at": now()}
        validation = {"value": measured, "n": EXAMPLES, "seconds": 0.021, "checkpoint": checkpoint and checkpoint["id"]}
        validations = [{**place, **validation, "decision": self.decision.model_dump()}]
        self.tell(columns=columns, validations=validations, checkpoints=[checkpoint] if checkpoint else [])
        self.print(f"step {step}: val_accuracy {measured:.4f}{' *' if checkpoint else ''}\n")

    def _column(self, key: str, steps: list[int], values: list[float]) -> dict[str, Any]:
        times = [self.began + step / 50 for step in steps]
        return {"segment": self.segment, "key": key, "steps": steps, "values": values, "times": times}

    def _keep(self, value: float, step: int) -> dict[str, Any]:
        told = self._tell_of(value, step, "best")
        self.best, self.states[told["id"]] = (value, told["id"], step), self.state
        return told

    def _tell_of(self, value: float, step: int, kind: str) -> dict[str, Any]:
        id, digest = self._write(value, step)
        size = {"size_bytes": SIZE, "written_bytes": SIZE if step < 500 else 1_081_344}
        place = {"segment": self.segment, "step": step, "location": f"runs/{self.id}/{id}.json", "seconds": 0.004}
        return {"id": id, "kind": kind, "value": value, "digest": digest, "at": now(), **size, **place}

    def _write(self, value: float, step: int) -> tuple[str, str]:
        """Return id and digest of a checkpoint, which is really written only where there is a store."""
        if self.store is None:
            id = new_id()
            return id, hashlib.sha256(id.encode()).hexdigest()
        written = self.store.write(make_state(step, step=step), about(self.id, value=value, segment=self.segment))
        return written.manifest.id, written.digest


def accuracy(step: int) -> float:
    """Rises to 0.98 and then wavers."""
    return round(0.98 - 0.55 * math.exp(-step / 320) + 0.006 * math.sin(step / 90), 6)


def loss(step: int) -> float:
    return 0.07 + 2.2 * math.exp(-step / 350) + 0.01 * math.sin(step / 130)


def noisy(curve: Any, step: int) -> float:
    """The curve with a noise that is the same each time."""
    wave = math.sin(step * 12.9898) * 43758.5453
    return float(curve(step) * (1 + 0.22 * (wave - math.floor(wave) - 0.5) * math.exp(-step / 4000)))


def _as_contract(decided: Any) -> StopperDecision:
    said = {**asdict(decided), "verdicts": [asdict(verdict) for verdict in decided.verdicts]}
    return StopperDecision.model_validate(
        {name: said[name] for name in StopperDecision.model_fields if said[name] is not None}
    )
